"""The studies: one folder a system, found by scanning (see catalogue.py).

Folders named in the environment variable THEODOLITE_STUDIES (joined by the path separator) are scanned too:
a study need not live in this repository.
"""

import os

__path__ += [folder for folder in os.environ.get("THEODOLITE_STUDIES", "").split(os.pathsep) if folder]
