"""How a problem set is built and graded; `../README.md` explains it to those who teach.

sheet.py       sheet.md -> notebook with nbgrader's metadata
submission.py  the student's answers, put back into our notebook; one function taken out of it
sandbox.py     untrusted code under bubblewrap
inside.py      what runs in there: a notebook, or the tasks of a problem set
judge.py       what came back against what the solution does: points and hints
plugins.py     the two steps that nbgrader is given: Restore and Grade

Trust ends in inside.py: it sees the student's code and `questions.py`, never a solution, a hint, a
gradebook, another submission or the network.
"""
