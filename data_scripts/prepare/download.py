"""Downloading an archive, with progress, resume and checksum.

gdown does the work: it goes on with a partial file by HTTP ranges, within a run and in the next
one, refuses a server that answers with other bytes, and knows Google Drive, where most of the
field's archives lie. (pooch, the usual choice, starts every file anew.) What it leaves to us is
the checksum, and a name that is only there when the file is complete.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

from cclgan_lite.files import sha256_of

TIMEOUT = 60  # seconds without a byte
RETRIES = 5


def fetch(url: str, folder: str | Path, *, retries: int = RETRIES, progress: bool = True) -> Path:
    """Download `url` into `folder`, unless it is there already; return the file.

    The name is the address's last part; `URL#name=x.zip` gives another (Google Drive needs it)
    and `URL#sha256=HEX` the checksum, as `URL#name=x.zip&sha256=HEX` both.

    Raises:
        ValueError: the address has no file name, or the checksum is wrong; the file is then put
            aside as NAME.wrong.
        OSError: the download fails; what was received is kept, and the next call goes on.
    """
    address, fragment = urldefrag(url)
    extra = dict(re.findall(r"(name|sha256)=([^&]+)", fragment))
    name = unquote(extra.get("name") or urlsplit(address).path.rpartition("/")[2])
    if not re.fullmatch(r"[\w-][\w .-]*\.\w+", name):
        raise ValueError(f"{url}: no file name to save it under; append #name=FILE.zip to it.")
    target = Path(folder) / name
    if target.exists():
        _verify(target, extra.get("sha256"))
        return target
    try:
        import gdown
    except ImportError as error:
        raise ValueError(
            f"Downloading needs gdown: pip install 'cclgan_lite[data]', or download {address} "
            f"yourself into {folder}."
        ) from error
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        gdown.download(
            address,
            str(target),
            quiet=not progress,
            resume=True,
            timeout=TIMEOUT,
            retries=retries,
            use_cookies=False,
        )
    except (gdown.exceptions.DownloadError, OSError) as error:  # those of requests are OSErrors
        raise OSError(
            f"{address}: {error}\nRun the command again to go on; if that fails again, delete "
            f"{target}*.part, or download the file in a browser into {folder}."
        ) from error
    _verify(target, extra.get("sha256"))
    return target


def _verify(path: Path, expected: str | None) -> None:
    if expected and (found := sha256_of(path)) != expected.lower():
        aside = path.with_name(f"{path.name}.wrong")
        path.replace(aside)
        raise ValueError(
            f"{path} has the SHA-256 {found}, not {expected}: it was put aside as {aside.name}. "
            "Download it again; if it stays so, the file at the source is another one."
        )
