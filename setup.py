"""Packaging of gluon_lr; tools are configured in pyproject.toml, exact versions in constraints.txt."""

import sys
from pathlib import Path

from setuptools import find_packages, setup

if not (3, 8) <= sys.version_info[:2] <= (3, 11):
    sys.exit(
        "gluon_lr needs Python 3.8 to 3.11, this is {}.{}: MXNet 1.9.1 needs numpy 1.23 and distutils, which "
        "later Pythons do not have. Make an environment with an older Python, for example: "
        "make PYTHON=python3.11".format(*sys.version_info[:2])
    )

CHAPTER = ["d2l==1.0.3", "gluoncv==0.10.5.post0", "ipython<8.24"]
NOTEBOOKS = ["nbclient", "nbformat", "ipykernel"]
TRACKING = ["mlflow>=2.14"]
CLUSTER = ["dask[distributed]"]

setup(
    name="gluon_lr",
    version="1.1.0",
    description="Learning-rate schedules and a learning-rate finder for MXNet Gluon, with evidence",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["gluon_lr", "gluon_lr.*"]),
    package_data={"gluon_lr": ["py.typed", "report/*.html"]},
    python_requires=">=3.8,<3.12",
    install_requires=[
        "mxnet==1.9.1",
        "numpy>=1.21,<1.24",
        "matplotlib>=3.5",
        "tqdm",
        "requests",
        "joblib>=1.3",
        "filelock",
        "scipy",
        "statsmodels",
        "scikit-learn",
        "jinja2",
    ],
    extras_require={
        "chapter": CHAPTER,
        "cluster": CLUSTER,
        "tracking": TRACKING,
        "notebooks": CHAPTER + NOTEBOOKS,
        "dev": CHAPTER + NOTEBOOKS + CLUSTER + TRACKING + ["pytest", "pytest-xdist", "hypothesis", "ruff"],
    },
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3",
        "Operating System :: POSIX :: Linux",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
