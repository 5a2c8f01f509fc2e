"""What nbgrader is told. Everything of a course lies in one folder, CCLGAN_COURSE."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from grader.plugins import Grade, Restore  # noqa: E402
from nbgrader.preprocessors import (  # noqa: E402
    AssignLatePenalties,
    CheckCellMetadata,
    ClearOutput,
    LimitOutput,
    OverwriteCells,
    OverwriteKernelspec,
    SaveAutoGrades,
)

c = get_config()  # noqa: F821  (nbgrader defines it)

c.CourseDirectory.root = os.environ.get("CCLGAN_COURSE", str(HERE.parents[1] / "runs" / "course"))
c.CourseDirectory.course_id = "cclgan"

c.ClearSolutions.code_stub = {"python": "..."}
c.ClearSolutions.text_stub = "*Your answer here.*"

# Not DeduplicateIds and Execute: answers go back into our notebook, and run in the sandbox.
c.Autograde.sanitize_preprocessors = [
    Restore,
    ClearOutput,
    OverwriteKernelspec,
    OverwriteCells,
    CheckCellMetadata,
]
c.Autograde.autograde_preprocessors = [
    Grade,
    LimitOutput,
    SaveAutoGrades,
    AssignLatePenalties,
    CheckCellMetadata,
]

# An upload is STUDENT.zip, STUDENT.ipynb or anything in a folder STUDENT. For an LMS with other
# names change this pattern, e.g. Moodle's: .../(?P<student_id>\w+)_\d+_assignsubmission_file_/...
c.FileNameCollectorPlugin.named_regexp = (
    r".*/downloaded/(?P<file_id>[^/]+)/extracted/"
    r"(?!.*\.ipynb_checkpoints)(?P<student_id>[\w.@+-]+?)(?:\.ipynb|/.*\.ipynb)$"
)
c.ExtractorPlugin.zip_ext = [".zip"]
