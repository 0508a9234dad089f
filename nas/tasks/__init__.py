"""What a neck is trained and measured on: data, training, and the tasks that join them."""
