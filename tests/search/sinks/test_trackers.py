"""TensorBoard and MLflow: what they have of a search is read back with their own readers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.search.sinks.conftest import Launch


def test_tensorboard_has_a_run_for_each_training(launch: Launch, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    launch(f"tensorboard:{tmp_path / 'runs'}")
    folder = tmp_path / "runs/small"
    assert {path.name for path in folder.iterdir()} == {"trial 0 (baseline fpn)", "trial 1 (baseline panet)", "trial 2"}
    events = EventAccumulator(str(folder / "trial 2"))
    events.Reload()
    curve = [(event.step, event.value) for event in events.Scalars("ap")]
    assert [step for step, _ in curve] == [1, 2, 3]
    final = events.Scalars("final/ap")[0].value
    assert curve[-1][1] == pytest.approx(final)
    assert events.Scalars("final/params")[0].value > 0
    (about,) = events.Tensors("about/text_summary")
    assert b"digest" in about.tensor_proto.string_val[0]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's own
def test_mlflow_has_a_run_for_each_training_and_goes_on_in_the_same_experiment(launch: Launch, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    uri, lines = f"sqlite:///{tmp_path / 'mlflow.db'}", []
    for trials in (3, 4):
        launch(f"mlflow:{uri}", trials=trials, lines=lines)
    assert [line for line in lines if "sink" in line] == []
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("small").experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    assert len(runs) == 4
    assert runs.keys() > {"trial 0 (baseline fpn)", "trial 1 (baseline panet)", "trial 2"}
    run = runs["trial 2"]
    assert (run.info.status, run.data.tags["state"]) == ("FINISHED", "complete")
    assert {"neck", "digest", "epochs", "seed"} < run.data.tags.keys()
    history = client.get_metric_history(run.info.run_id, "ap")
    assert [point.step for point in history] == [1, 2, 3, 3]
    assert run.data.metrics["ap"] == history[-1].value
    assert run.data.metrics["params"] > 0
