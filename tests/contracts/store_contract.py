"""What every study database must do. A subclass gives the fixture `url`, that of an empty database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from nas.errors import StoreError, UserError
from nas.storage import Store, open_store
from nas.storage.tables import CERTIFICATE
from nas.studies.spec import Budget
from tests.proxy.samples import certificate
from tests.storage import samples


class StoreContract:
    @pytest.fixture
    def store(self, url: str, tmp_path: Path) -> Iterator[Store]:
        with open_store(url, create=True, artifacts=tmp_path / "artifacts") as store:
            yield store

    @pytest.fixture
    def reader(self, url: str, store: Store) -> Iterator[Store]:
        """A second look at the store's database, by someone who knows nothing but its URL."""
        with open_store(url, create=False) as reader:
            yield reader

    # Studies

    def test_a_study_comes_back_as_it_was_given(self, store: Store, reader: Store) -> None:
        with store.begin("pets", samples.SPEC, samples.TEXT, "t1-abc", {"seed": 7, "host": None}):
            given = reader.study("pets")
        assert given is not None
        assert (given.spec, given.text, given.task) == (samples.SPEC, samples.TEXT, "t1-abc")
        assert given.provenance == {"seed": 7, "host": None}
        assert (given.state, given.seconds) == ("running", 0)
        assert given.created.tzinfo is UTC
        assert abs(datetime.now(UTC) - given.created) < timedelta(minutes=1)

    def test_an_unknown_study_is_none(self, store: Store) -> None:
        assert store.study("pets") is None
        assert store.studies() == []
        assert store.trials("pets") == []

    def test_a_name_is_taken_once(self, store: Store) -> None:
        samples.with_study(store)
        with pytest.raises(StoreError, match="another launch began a study 'pets' a moment ago"):
            samples.with_study(store)

    def test_studies_are_listed_by_age(self, store: Store, reader: Store) -> None:
        for name in ("b", "a", "c"):
            samples.with_study(store, name)
        assert [study.name for study in reader.studies()] == ["b", "a", "c"]

    def test_a_resumed_study_keeps_its_new_spec_and_its_text(self, store: Store, reader: Store) -> None:
        samples.with_study(store)
        resumed = samples.SPEC.model_copy(update={"budget": Budget(trials=99)})
        store.update_spec("pets", resumed)
        study = reader.study("pets")
        assert study is not None
        assert (study.spec, study.text) == (resumed, samples.TEXT)

    def test_only_a_known_study_has_its_spec_changed(self, store: Store) -> None:
        with pytest.raises(StoreError, match="has no study 'pets'"):
            store.update_spec("pets", samples.SPEC)

    # Launches

    def test_a_lease_is_held_once(self, store: Store, reader: Store) -> None:
        samples.with_study(store)
        with store.lease("pets"), pytest.raises(UserError, match=r"study 'pets' is running: pid \d+ on host"):
            reader.lease("pets")

    def test_whether_it_is_held_can_be_looked_up(self, store: Store, reader: Store) -> None:
        samples.with_study(store)
        reader.check_free("pets")
        with store.lease("pets"), pytest.raises(UserError, match=r"study 'pets' is running: pid \d+ on host"):
            reader.check_free("pets")
        reader.check_free("pets")

    def test_studies_are_leased_apart(self, store: Store) -> None:
        samples.with_study(samples.with_study(store, "a"), "b")
        with store.lease("a"), store.lease("b"):
            assert [study.state for study in store.studies()] == ["running", "running"]

    def test_the_state_is_that_of_the_latest_launch(self, store: Store, reader: Store) -> None:
        samples.with_study(store)
        for ending in ("interrupted", "failed", "exhausted", "done"):
            with store.lease("pets") as lease:
                assert self.state(reader) == "running"
                lease.close(ending)
            assert self.state(reader) == ending

    def test_leaving_without_close_records_why(self, store: Store) -> None:
        samples.with_study(store)
        with store.lease("pets"):
            pass
        assert self.state(store) == "interrupted"
        with pytest.raises(ZeroDivisionError), store.lease("pets"):
            1 / 0  # noqa: B018
        assert self.state(store) == "failed"
        with pytest.raises(KeyboardInterrupt), store.lease("pets"):
            raise KeyboardInterrupt
        assert self.state(store) == "interrupted"

    def test_only_a_known_study_is_leased(self, store: Store) -> None:
        with pytest.raises(StoreError, match="has no study 'pets'"):
            store.lease("pets")

    @staticmethod
    def state(store: Store) -> str:
        study = store.study("pets")
        assert study is not None
        return study.state

    # Evaluations

    def test_an_evaluation_comes_back_without_its_weights(self, store: Store, reader: Store) -> None:
        given = samples.evaluation(weights=b"tensors")
        store.record(given)
        assert reader.evaluation(given.key) == samples.without_weights(given)
        assert reader.get_artifact(str(given.key), "weights") == b"tensors"

    def test_a_key_is_evaluated_once(self, store: Store) -> None:
        first = samples.evaluation(weights=b"first")
        store.record(first)
        again = first.measurement.model_copy(update={"seconds": 99.0, "weights": b"again"})
        store.record(first.model_copy(update={"measurement": again}))
        assert store.evaluations("t1-abc") == [samples.without_weights(first)]
        assert store.get_artifact(str(first.key), "weights") == b"first"

    def test_a_complete_evaluation_replaces_a_pruned_one(self, store: Store) -> None:
        complete = samples.evaluation(weights=b"tensors")
        pruned = samples.evaluation().model_copy(update={"state": "pruned", "curve": complete.curve[:1]})
        store.record(pruned)
        assert store.evaluation(pruned.key) == pruned
        for evaluation in (complete, pruned):
            store.record(evaluation)
            assert store.evaluations("t1-abc") == [samples.without_weights(complete)]
            assert store.get_artifact(str(complete.key), "weights") == b"tensors"

    def test_weights_that_were_dropped_come_back_with_the_same_evaluation(self, store: Store) -> None:
        given = samples.evaluation(weights=b"tensors")
        store.record(given)
        store.drop_artifact(str(given.key), "weights")
        assert not store.has_artifact(str(given.key), "weights")
        store.record(given)
        assert store.get_artifact(str(given.key), "weights") == b"tensors"
        assert store.evaluations("t1-abc") == [samples.without_weights(given)]

    def test_metrics_that_a_complete_evaluation_lacks_are_added_and_none_is_changed(self, store: Store) -> None:
        given = samples.evaluation(weights=b"tensors")
        store.record(given)
        metrics = dict.fromkeys(given.measurement.metrics, 9.0) | {"ap_int8": 0.25}
        more = given.measurement.model_copy(update={"metrics": metrics, "details": {"lost": {"timing": 1.0}}})
        store.record(given.model_copy(update={"measurement": more}))
        [found] = store.evaluations("t1-abc")
        kept = {name: value for name, value in given.measurement.metrics.items() if value is not None}
        assert found.measurement.metrics.items() >= (kept | {"ap_int8": 0.25}).items()
        assert found.measurement.details == given.measurement.details | {"lost": {"timing": 1.0}}
        assert found.curve == given.curve

    def test_evaluations_differ_by_any_part_of_the_key(self, store: Store) -> None:
        given = [samples.evaluation(), samples.evaluation(seed=1), samples.evaluation(width=16)]
        for evaluation in (*given, samples.evaluation(task="t1-other")):
            store.record(evaluation)
        assert store.evaluations("t1-abc") == given
        assert store.evaluation(samples.key(seed=2)) is None

    def test_an_evaluation_that_cannot_be_kept_in_full_is_not_kept(self, store: Store) -> None:
        given = samples.evaluation(weights=b"tensors")
        twice = given.model_copy(update={"curve": given.curve + given.curve})
        with pytest.raises(IntegrityError, match=r"nas_curve|pk_nas_curve"):
            store.record(twice)
        assert store.evaluations("t1-abc") == []
        assert store.get_artifact(str(given.key), "weights") is None

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_what_is_no_json_is_refused(self, store: Store, value: float) -> None:
        given = samples.evaluation()
        measurement = given.measurement.model_copy(update={"details": {"loss": value}})
        with pytest.raises(StoreError, match="JSON"):
            store.record(given.model_copy(update={"measurement": measurement}))
        assert store.evaluation(given.key) is None

    # Trials and attempts

    def test_trials_are_listed_by_number(self, store: Store, reader: Store) -> None:
        samples.with_study(samples.with_study(store), "other")
        store.bind("pets", 1, samples.key(16), samples.architecture(16), None)
        store.bind("pets", 0, samples.key(), samples.architecture(), "fpn")
        store.bind("other", 0, samples.key(), samples.architecture(), None)
        trials = reader.trials("pets")
        assert [(trial.number, trial.key, trial.baseline) for trial in trials] == [
            (0, samples.key(), "fpn"),
            (1, samples.key(16), None),
        ]
        assert [trial.architecture for trial in trials] == [samples.architecture(), samples.architecture(16)]

    def test_a_trial_is_bound_once(self, store: Store) -> None:
        samples.with_study(store)
        store.bind("pets", 0, samples.key(), samples.architecture(), None)
        with pytest.raises(IntegrityError, match="nas_trial"):
            store.bind("pets", 0, samples.key(16), samples.architecture(16), None)
        assert [trial.key for trial in store.trials("pets")] == [samples.key()]

    def test_attempts_keep_how_they_ended(self, store: Store, reader: Store) -> None:
        store.attempt(samples.key(), 1, "host:1")
        store.attempt_ended(samples.key(), 1, "failed", "its process died")
        store.attempt(samples.key(), 2, None)
        store.attempt(samples.key(16), 1, None)
        first, second = reader.attempts(samples.key())
        assert (first.number, first.worker, first.state, first.error) == (1, "host:1", "failed", "its process died")
        assert first.ended is not None
        assert first.started <= first.ended
        assert (second.number, second.worker, second.state, second.ended) == (2, None, "running", None)

    def test_a_number_used_again_after_a_crash_ends_the_latest_attempt(self, store: Store) -> None:
        store.attempt(samples.key(), 1, None)
        store.attempt(samples.key(), 1, None)
        store.attempt_ended(samples.key(), 1, "complete")
        assert [attempt.state for attempt in store.attempts(samples.key())] == ["running", "complete"]

    def test_a_latency_measured_on_the_way_is_kept_with_its_evaluation(self, store: Store, reader: Store) -> None:
        given = samples.evaluation(8)
        measured = given.measurement.model_copy(
            update={"metrics": {"ap": 0.3, "latency_ms": 7.5}, "details": {"latency": {}, "machine": "here"}}
        )
        known = measured.model_copy(update={"details": {"machine": "here"}})
        store.record(given.model_copy(update={"measurement": known}))
        assert reader.latency(given.key.digest, "here", "torch") is None  # it was known, not measured
        store.record(given.model_copy(update={"measurement": measured}))
        assert reader.latency(given.key.digest, "here", "torch") == 7.5
        assert reader.latency(given.key.digest, "here", "onnxruntime") is None
        details = {"latency": {"target": "onnxruntime"}, "machine": "here"}
        elsewhere = measured.model_copy(update={"details": details, "metrics": {"ap": 0.3, "latency_ms": 2.5}})
        store.record(given.model_copy(update={"measurement": elsewhere}))
        assert reader.latency(given.key.digest, "here", "onnxruntime") == 2.5
        assert reader.latency(given.key.digest, "here", "torch") == 7.5
        details = {"latency": {"target": "torch"}, "machine": "here", "device": "cuda"}
        gpu = measured.model_copy(update={"details": details, "metrics": {"ap": 0.3, "latency_ms": 0.5}})
        store.record(given.model_copy(update={"measurement": gpu}))
        assert reader.latency(given.key.digest, "here", "torch-cuda") == 0.5
        assert reader.latency(given.key.digest, "here", "torch") == 7.5

    # Certificates

    def test_certificates_of_a_proxy_come_back_oldest_first(self, store: Store, reader: Store) -> None:
        assert reader.certificates("t1-abc", 2) == []
        old, new = certificate(tau=0.5), certificate()
        store.keep_certificate(old)
        store.keep_certificate(new)
        assert reader.certificates("t1-abc", 2) == [old, new]
        elsewhere = certificate(tau=0.6)
        store.keep_certificate(elsewhere, "t1-xyz")
        assert reader.certificates("t1-xyz", 2) == [elsewhere]
        assert reader.certificates("t1-abc", 3) == reader.certificates("t1-xy", 2) == []

    def test_a_certificate_of_a_form_unknown_proves_nothing(self, store: Store, reader: Store) -> None:
        store.keep_certificate(certificate(verdict="Of another version."))
        store.keep_certificate(certificate())
        with store._database.write() as connection:
            of_old = CERTIFICATE.c.id == 1
            data = certificate().model_dump(mode="json") | {"score": 0.5}
            connection.execute(CERTIFICATE.update().where(of_old).values(data=data))
        assert reader.certificates("t1-abc", 2) == [certificate()]

    # Latency

    def test_latency_is_kept_by_digest_machine_and_target(self, store: Store, reader: Store) -> None:
        store.record_latency("a1-0", "this", "torch", 12.5)
        assert reader.latency("a1-0", "this", "torch") == 12.5
        for other in (("a1-1", "this", "torch"), ("a1-0", "that", "torch"), ("a1-0", "this", "onnx")):
            assert reader.latency(*other) is None
        store.record_latency("a1-0", "this", "torch", 11.0)
        assert reader.latency("a1-0", "this", "torch") == 11.0

    # Artifacts

    def test_artifacts_are_kept_by_owner_and_kind(self, store: Store, reader: Store) -> None:
        store.put_artifact("pets", "backbone", b"\0tensors")
        assert reader.get_artifact("pets", "backbone") == b"\0tensors"
        assert reader.get_artifact("pets", "weights") is None
        assert reader.get_artifact("other", "backbone") is None

    def test_a_dropped_artifact_is_gone(self, store: Store, reader: Store) -> None:
        store.put_artifact("pets", "backbone", b"tensors")
        store.drop_artifact("pets", "backbone")
        store.drop_artifact("pets", "backbone")
        assert reader.get_artifact("pets", "backbone") is None

    # Optuna

    def test_optuna_has_its_half_of_the_same_database(self, store: Store, reader: Store) -> None:
        import optuna

        study = optuna.create_study(study_name="pets", storage=store.optuna, direction="maximize")
        study.tell(study.ask(), 0.5)
        samples.with_study(store)
        assert optuna.load_study(study_name="pets", storage=reader.optuna).best_value == 0.5
        assert reader.study("pets") is not None
