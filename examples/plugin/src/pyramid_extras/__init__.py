"""An operator, a metric and a task for pyramid-nas."""
