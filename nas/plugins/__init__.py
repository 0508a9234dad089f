"""Open tables: names that installed packages, scripts and plugin files add to ours. One behaviour, three ways in.

1. A package, by an entry point in the group `pyramid_nas.<table>`:

       [project.entry-points."pyramid_nas.fusions"]
       median = "median_fusion.operators:MEDIAN"        # a nas.necks.operators.Fusion, importable without torch
       [project.entry-points."pyramid_nas.fusion_builders"]
       median = "median_fusion.modules:median"          # as in nas.models.fuse.FUSIONS

2. A script, by a call or a decorator:

       nas.register("fusions", "median", MEDIAN)

       @nas.register("fusion_builders", "median")
       def median(width: int, inputs: int) -> nn.Module: ...

3. A plugin file, which makes the same calls: `nas launch STUDY --plugin FILE.py`, or `nas.launch(..., plugins=[FILE])`.

A name can be added once. `TABLES` lists the tables; each says what its values are. An operator needs two entries: its
properties, in `fusions`, `upsamplings`, `downsamplings` or `blocks`; and its builder, in `fusion_builders`,
`upsampling_builders`, `downsampling_builders` or `block_builders`.

A study never contains code. A study from a network can use only what this process has: a process that serves others
calls `seal`, which refuses further code.
"""

from nas.plugins.carried import Carried, carried
from nas.plugins.files import PluginFile, load, loaded
from nas.plugins.register import forget, register, seal
from nas.plugins.source import identity
from nas.plugins.table import TABLES, Table, UnknownName, packages

__all__ = [
    "TABLES",
    "Carried",
    "PluginFile",
    "Table",
    "UnknownName",
    "carried",
    "forget",
    "identity",
    "load",
    "loaded",
    "packages",
    "register",
    "seal",
]
