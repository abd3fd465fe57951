"""Files of jobs: what was uploaded to be imported, and what an export made. They lie in the data folder for a week."""

import shutil
import time
from pathlib import Path

from annotator.errors import NotFoundError, StorageError

KEPT_S = 7 * 24 * 3600
_UPLOAD = "upload"


class JobFiles:
    """The folder of all jobs' files.

    Args:
        data_dir: of the installation.
    """

    def __init__(self, data_dir: Path) -> None:
        self.root = data_dir / "jobs"

    def upload(self, job_id: str) -> Path:
        """Where the upload of an import lies, or will lie; its folder is made.

        Raises:
            StorageError: the data folder cannot be written.
        """
        return self._folder(job_id) / _UPLOAD

    def existing_upload(self, job_id: str) -> Path:
        """The upload of an import.

        Raises:
            NotFoundError: it is gone.
        """
        path = self.root / job_id / _UPLOAD
        if not path.is_file():
            raise NotFoundError("the uploaded file is not kept any more; upload it again")
        return path

    def result_folder(self, job_id: str) -> Path:
        """Where an export writes.

        Raises:
            StorageError: the data folder cannot be written.
        """
        return self._folder(job_id)

    def result(self, job_id: str, name: str) -> Path:
        """The file that an export made.

        Raises:
            NotFoundError: it is gone.
        """
        path = self.root / job_id / name
        if not path.is_file() or path.parent.parent != self.root:
            raise NotFoundError("the exported file is not kept any more; export it again")
        return path

    def remove(self, job_id: str) -> None:
        """Lets go of a job's files."""
        shutil.rmtree(self.root / job_id, ignore_errors=True)

    def tidy(self) -> None:
        """Lets go of files that are older than a week."""
        limit = time.time() - KEPT_S
        for folder in self.root.glob("*"):
            if folder.is_dir() and folder.stat().st_mtime < limit:
                shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, job_id: str) -> Path:
        folder = self.root / job_id
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot write into {self.root}: {error.strerror}") from None
        return folder
