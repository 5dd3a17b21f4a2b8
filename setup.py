"""Packaging of gluon_lr; tools are configured in pyproject.toml, exact versions in constraints.txt."""

from pathlib import Path

from setuptools import find_packages, setup

# MXNet's wheel declares numpy<2, and NumPy 1 has no wheel for Python 3.13 and later: pip cannot resolve it there. d2l
# declares numpy==1.23.5 and other versions that Python 3.12 cannot install, and GluonCV comes with it. All three run
# there all the same (docs/platforms.md): where the markers leave them out, the Makefile installs them with --no-deps,
# and what they need besides is declared here.
MXNET = [
    "mxnet==1.9.1; python_version < '3.13'",
    "numpy>=1.21,<2; python_version < '3.12'",
    "numpy>=1.26,<2; python_version == '3.12'",
    "numpy>=2.1; python_version >= '3.13'",
    "graphviz>=0.8.1,<0.9",
]
CHAPTER = [
    "d2l==1.0.3; python_version < '3.12'",
    "gluoncv==0.10.5.post0; python_version < '3.12'",
    "ipython<8.24; python_version < '3.12'",  # matplotlib 3.7.2, which d2l pins, knows no later one
    *(
        f"{needed}; python_version >= '3.12'"
        for needed in (
            *("ipython", "matplotlib-inline", "pandas"),  # d2l
            *("autocfg", "opencv-python-headless", "pillow", "portalocker", "pyyaml", "yacs"),  # GluonCV
        )
    ),
]
NOTEBOOKS = ["jupyterlab", "nbclient", "nbformat", "ipykernel", "ipywidgets"]
TRACKING = ["mlflow>=2.14"]
CLUSTER = ["dask[distributed]"]
TESTS = ["pytest", "pytest-xdist", "hypothesis", "playwright", "ruff"]

setup(
    name="gluon_lr",
    version="2.0.0",
    description="Learning-rate schedules and a learning-rate finder for MXNet Gluon, with evidence",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["gluon_lr", "gluon_lr.*"]),
    package_data={"gluon_lr": ["py.typed"]},
    entry_points={"console_scripts": ["gluon-lr = gluon_lr.__main__:main"]},
    python_requires=">=3.8,<3.15",
    install_requires=[
        *MXNET,
        "matplotlib>=3.5",
        "tqdm",
        "requests>=2.20,<3",
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
        "dev": CHAPTER + NOTEBOOKS + CLUSTER + TRACKING + TESTS,
    },
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(8, 15)),
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
