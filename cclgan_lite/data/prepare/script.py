"""The command line that all scripts in `data_scripts/` share."""

from __future__ import annotations

import sys
from pathlib import Path

import tyro

from cclgan_lite.data.prepare.download import fetch
from cclgan_lite.data.prepare.layout import DataSet, prepare


def main(docs: str, *datasets: DataSet, arguments: list[str] | None = None) -> None:
    """Run a script: `docs` is its --help; of several data sets, --kind chooses one by name."""

    def run(
        source: Path,
        out: Path,
        kind: str = datasets[0].name,
        subset: str | None = None,
        seed: int = 0,
        unpaired: bool = False,
        keep_out: tuple[Path, ...] = (),
        keep_leaks: bool = False,
        allow_incomplete: bool = False,
        download: tuple[str, ...] = (),
    ) -> None:
        chosen = {dataset.name: dataset for dataset in datasets}.get(kind)
        if chosen is None:
            raise ValueError(
                f"no kind {kind!r}; there are {', '.join(dataset.name for dataset in datasets)}"
            )
        links = download or (() if source.exists() else chosen.links)
        for link in links:
            print(f"downloading {link}")
            fetch(link, source)
        manifest = prepare(
            chosen,
            source,
            out,
            subset=subset,
            seed=seed,
            unpaired=unpaired,
            keep_out=keep_out,
            keep_leaks=keep_leaks,
            allow_incomplete=allow_incomplete,
        )
        print(summary(manifest, out))

    subsets = sorted({name for dataset in datasets for name in dataset.subsets})
    kinds = ", ".join(dataset.name for dataset in datasets)
    run.__doc__ = f"""{docs.strip()}

Args:
    source: An archive, or the folder with the archives or with what you unpacked from them.
    out: Folder for the prepared data set, outside of --source.
    kind: Which data set: {kinds}.
    subset: A named part of it: {", ".join(subsets) or "none is defined"}.
    seed: Decides subset, validation scenes and the halves of --unpaired.
    unpaired: Make training strictly unpaired, no scene both rainy and clean.
    keep_out: Folders of (test) pictures whose scenes must not be trained on.
    keep_leaks: Keep training pictures that show test scenes, as the literature does.
    allow_incomplete: Leave out what is missing or damaged, and list it in the manifest.
    download: Addresses to download into --source first: URL, URL#sha256=HEX or
        URL#name=FILE.zip (Google Drive).
"""
    try:
        tyro.cli(run, args=arguments)
    except (OSError, ValueError) as error:
        sys.exit(f"{Path(sys.argv[0]).name}: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; run the same command again to go on")


def summary(manifest: dict, out: Path) -> str:
    """What a user should know of a prepared data set."""
    counts = manifest["counts"]
    lines = [
        f"{manifest['dataset']} in {out}: "
        + ", ".join(
            f"{split} {counts[f'{split}/rainy']} rainy and {counts[f'{split}/clean']} clean"
            for split in ("train", "val", "test")
        )
    ]
    if manifest["unpaired"] == "strict":
        lines.append("Training is strictly unpaired.")
    elif manifest["unpaired"]:
        lines.append("Training has the same scenes rainy and clean; --unpaired parts them.")
    if leaks := [line for line in manifest["dropped"] if ": shows a" in line]:
        lines.append(
            f"{len(leaks)} training pictures were left out because they show scenes of "
            "another split (listed in the manifest)."
        )
    if others := len(manifest["dropped"]) - len(leaks):
        lines.append(f"{others} missing or damaged files were left out (listed in the manifest).")
    if shared := manifest["shared_with_test"]:
        lines.append(
            f"Warning: {len(shared)} times a training picture looks like a test picture, "
            f"such as {shared[0]}."
        )
    lines += [f"Warning, never test on {leak}." for leak in manifest["known_leaks"]]
    return "\n".join(lines)
