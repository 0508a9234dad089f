"""What the files for trainers have beside the neck. These definitions are copied into them (`nas.exports.code`)."""
