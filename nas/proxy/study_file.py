"""A study file with another length of its proxy, all else of it kept as somebody wrote it."""

from __future__ import annotations

import re
from io import StringIO

from ruamel.yaml import YAML

from nas.certificate import Certificate


def with_length(text: str, certificate: Certificate, full_epochs: int) -> str:
    """The YAML `text` with the epochs that a certificate proves, its figures in a remark above the task.

    The full training is written down too: left out, it would be ten times the new length.
    """
    text = re.sub(r"(?m)^# nas proxy --search:.*\n", "", text)  # of an earlier search
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 120, True
    yaml.indent(mapping=2, sequence=4, offset=2)
    data = yaml.load(text)
    data["task"]["epochs"] = certificate.proxy.task.epochs
    if "full" not in data:
        data.insert(list(data).index("task") + 1, "full", {})
    data["full"]["epochs"] = full_epochs
    if not data.fa.flow_style():
        data.yaml_set_comment_before_after_key("task", before=remark(certificate))
    out = StringIO()
    yaml.dump(data, out)
    return out.getvalue() if not data.fa.flow_style() else f"# {remark(certificate)}\n{out.getvalue()}"


def remark(certificate: Certificate) -> str:
    """The figures in one line."""
    figures = f"tau {certificate.tau:.2f} ({certificate.low:.2f} to {certificate.high:.2f})"
    rest = f"regret {certificate.regret:.3f} {certificate.metric}, {certificate.cost_ratio:.3f} of the full cost"
    return f"nas proxy --search: {figures} over {certificate.necks} necks, {rest}"
