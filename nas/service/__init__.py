"""What is served over HTTP: Optuna's dashboard on a study database, read-only unless asked otherwise."""
