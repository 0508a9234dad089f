"""model.pt2: the deployed model as torch.export's graph, for torch.export.load, AOTInductor and ExecuTorch."""

from __future__ import annotations

from io import BytesIO

import torch

from nas.exports.deployed import INPUT, Deployed, compared

PT2 = "model.pt2"


def pt2(model: Deployed) -> bytes:
    """The file: a program for any batch size, which was loaded again and compared with `model`.

    Raises:
        NASError: the program gives something else.
    """
    program = torch.export.export(model, (model.example(2),), dynamic_shapes={INPUT: {0: torch.export.Dim("batch")}})
    file = BytesIO()
    torch.export.save(program, file)
    loaded = torch.export.load(BytesIO(file.getvalue())).module()
    for batch in (1, 3):
        images = model.example(batch)
        with torch.no_grad():
            compared(PT2, model.names, loaded(images), model.expected(images))
    return file.getvalue()
