"""Which version an alias stands for: the newest by default, and otherwise the one that is promoted."""

import pytest

import embtrain
from embtrain import registry
from embtrain.cli import main
from embtrain.config import Settings
from embtrain.tracking import start_run
from embtrain.vectors import Vectors


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """Register two versions whose only vector is their number, the second one without an alias."""
    folder = tmp_path_factory.mktemp("versions")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        for number, alias in ((1, "champion"), (2, None)):
            settings = Settings(name="toy", track={"alias": alias})
            with start_run(settings.track, "toy") as run:
                registry.register(
                    Vectors(["number"], [[number]]), run_id=run.run_id, name="toy", alias=settings.track.alias
                )
        yield


def champion():
    return int(embtrain.load("models:/toy@champion")["number"][0])


@pytest.mark.usefixtures("versions")
def test_a_version_without_an_alias_leaves_the_champion_until_it_is_promoted(capsys):
    assert champion() == 1
    assert main(["promote", "models:/toy/2"]) == 0
    assert capsys.readouterr().out == "models:/toy@champion is version 2; before it was version 1\n"
    assert champion() == 2


@pytest.mark.usefixtures("versions")
def test_a_new_alias_was_none_before_and_can_be_what_is_promoted(capsys):
    assert main(["promote", "models:/toy/1", "--alias", "challenger"]) == 0
    assert capsys.readouterr().out == "models:/toy@challenger is version 1; before it was none\n"
    assert main(["promote", "models:/toy@challenger"]) == 0
    assert champion() == 1


@pytest.mark.usefixtures("versions")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["models:/toy/9"], "the model 'toy' has no version 9; its versions are: 1, 2"),
        (["toy"], "expected models:/NAME@ALIAS or models:/NAME/VERSION, found 'toy'"),
        (["models:/toy/2", "--alias", "latest"], "MLflow could not let 'latest' stand for models:/toy/2"),
    ],
)
def test_what_cannot_be_promoted_is_told_in_one_sentence(capsys, arguments, message):
    assert main(["promote", *arguments]) == 2
    assert message in capsys.readouterr().err
