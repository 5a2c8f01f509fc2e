"""The command line that all scripts in `data_scripts/` share."""

import sys
from pathlib import Path
from typing import Literal

import tyro

from prepare.dataset import DataSet, Settings, prepare
from prepare.download import fetch


def main(docs: str, *datasets: DataSet, arguments: list[str] | None = None) -> None:
    """Run a script: `docs` is its --help; of several data sets, --kind chooses one by name."""
    choice = {dataset.name: dataset for dataset in datasets}

    def run(
        source: Path,
        out: Path,
        settings: Settings,
        kind: Literal[*choice] = datasets[0].name,
        download: tuple[str, ...] = (),
    ) -> None:
        """Prepare a data set.

        Args:
            source: An archive, or the folder with the archives or with what you unpacked.
            out: Folder for the prepared data set, outside of --source.
            settings: What you choose of it.
            kind: Which data set.
            download: Addresses to download into --source first: URL, URL#sha256=HEX or
                URL#name=FILE.zip (Google Drive).
        """
        for link in download or (() if source.exists() else choice[kind].links):
            print(f"downloading {link}")
            fetch(link, source)
        print(summary(prepare(choice[kind], source, out, settings), out))

    try:
        tyro.cli(run, args=arguments, description=docs, config=(tyro.conf.OmitArgPrefixes,))
    except (OSError, ValueError) as error:
        sys.exit(f"{Path(sys.argv[0]).name}: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; run the same command again to go on")


def summary(manifest: dict, out: Path) -> str:
    """What a user should know of a prepared data set."""
    counts, dropped = manifest["counts"], manifest["dropped"]
    parts = (
        f"{split} {counts[f'{split}/rainy']} rainy and {counts[f'{split}/clean']} clean"
        for split in ("train", "val", "test")
    )
    lines = [f"{manifest['dataset']} in {out}: {', '.join(parts)}"]
    if manifest["unpaired"]:
        lines.append(
            "Training is strictly unpaired."
            if manifest["unpaired"] == "strict"
            else "Training has the same scenes rainy and clean; --unpaired parts them."
        )
    if leaks := sum(": shows a" in line for line in dropped):
        lines.append(
            f"{leaks} training pictures were left out because they show scenes of "
            "another split (listed in the manifest)."
        )
    if others := len(dropped) - leaks:
        lines.append(f"{others} missing or damaged files were left out (listed in the manifest).")
    if swapped := manifest.get("swapped"):  # not in manifests of older versions
        lines.append(
            f"Warning: {swapped} rainy halves have less fine detail than the clean ones. Rain "
            "adds some: look whether the halves are the other way round; if so, change `left` in "
            "the script, delete this data set and make it again."
        )
    if shared := manifest["shared_with_test"]:
        lines.append(
            f"Warning: {len(shared)} times a training picture looks like a test picture, "
            f"such as {shared[0]}."
        )
    lines += [f"Warning, never test on {leak}." for leak in manifest["known_leaks"]]
    return "\n".join(lines)
