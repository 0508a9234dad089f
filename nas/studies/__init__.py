"""Studies as data: the spec, the metrics, the records of evaluations, the certificate of a proxy, and YAML files.

Values only: needs pydantic and YAML, never torch, optuna, ray or sqlalchemy.
"""
