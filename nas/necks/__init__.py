"""Necks as data: specs, operators, the canonical form, topologies, presets, descriptions and drawings.

Values only: needs pydantic, never torch, optuna, ray or sqlalchemy. `nas.models` builds what stands here.
"""
