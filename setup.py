import pathlib
import re

from setuptools import find_packages, setup

ROOT = pathlib.Path(__file__).parent
VERSION = re.search(
    r'__version__ = "(.+)"', (ROOT / "nasnet_tf" / "__init__.py").read_text()
).group(1)

setup(
    name="nasnet_tf",
    version=VERSION,
    description=(
        "Search neural-network cells on your own data, scale them up, train and ship them; the home"
        " of NASNet in Keras 3"
    ),
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    packages=find_packages(include=["nasnet_tf", "nasnet_tf.*"]),
    package_data={
        "nasnet_tf": ["py.typed"],
        "nasnet_tf.tables": ["digits.csv.gz"],
        "nasnet_tf.zoo": ["imagenet_classes.txt"],
    },
    install_requires=[
        "click>=8.1",
        "h5py>=3.10",
        "importlib_resources>=5",  # tensorflow-datasets needs it and does not say so
        "keras>=3.9",
        "keras-tuner>=1.4.7,<1.5",
        "matplotlib>=3.7",
        "ml_dtypes>=0.3",
        "numba>=0.60",
        "numpy>=1.26",
        "pillow>=11.3",  # the first that reads AVIF
        "rich>=13",
        "scikit-learn>=1.3",
        "six>=1.16",  # keras-tuner needs it and does not say so
        "tensorboard>=2.16",  # keras-tuner needs it and does not say so
        "tensorflow>=2.16",
        "tensorflow-datasets>=4.9.4",
        "threadpoolctl>=3.1",
    ],
    extras_require={
        "hub": ["keras-hub>=0.20"],
        "gpu": ["tensorflow[and-cuda]>=2.16"],
        "jax-gpu": ["jax[cuda12]>=0.4.30"],
        "ray": ["ray>=2.52"],
        "notebooks": ["jupyter", "nbclient", "ipykernel"],
        "test": [
            "build",
            "hypothesis>=6.90",
            "jax>=0.4.30",
            "pytest>=8",
            "pytest-xdist>=3.5",
            "ruff==0.17.6",
        ],
    },
    entry_points={"console_scripts": ["nasnet-tf = nasnet_tf.cli.main:run"]},
    classifiers=[
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
