//! Sets that people publish: where from, and the SHA-256 of what is there.
//!
//! Digests of CIFAR's archives and batch files are those that torchvision for Ruby checks, of MNIST and Fashion-MNIST those of
//! TensorFlow Datasets.

/// A set by its name.
pub(crate) struct Published {
    /// What `fetch` takes.
    pub(crate) name: &'static str,
    /// What people call it.
    pub(crate) title: &'static str,
    /// What it comes as.
    pub(crate) comes_as: ComesAs,
    /// The files of the set.
    pub(crate) files: &'static [File],
}

/// How a set is published.
pub(crate) enum ComesAs {
    /// A packed folder.
    Archive { url: &'static str, sha256: &'static str, folder: &'static str },
    /// Each file by itself, under an address that its name is added to.
    Files { url: &'static str },
}

/// A file of a set.
pub(crate) struct File {
    pub(crate) name: &'static str,
    /// None where only the archive's is published.
    pub(crate) sha256: Option<&'static str>,
}

const fn file(name: &'static str, sha256: &'static str) -> File {
    File { name, sha256: Some(sha256) }
}

/// All of them.
pub(crate) const SETS: [Published; 4] = [
    Published {
        name: "cifar10",
        title: "CIFAR-10",
        comes_as: ComesAs::Archive {
            url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            folder: "cifar-10-batches-bin",
        },
        files: &[
            file("data_batch_1.bin", "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
            file("data_batch_2.bin", "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
            file("data_batch_3.bin", "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
            file("data_batch_4.bin", "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
            file("data_batch_5.bin", "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
            file("test_batch.bin", "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
        ],
    },
    Published {
        name: "cifar100",
        title: "CIFAR-100",
        comes_as: ComesAs::Archive {
            url: "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
            sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            folder: "cifar-100-binary",
        },
        files: &[
            file("train.bin", "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29"),
            file("test.bin", "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a"),
            File { name: "fine_label_names.txt", sha256: None },
        ],
    },
    Published {
        name: "fashion-mnist",
        title: "Fashion-MNIST",
        comes_as: ComesAs::Files { url: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/" },
        files: &[
            file(
                "train-images-idx3-ubyte.gz",
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            file(
                "train-labels-idx1-ubyte.gz",
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            file(
                "t10k-images-idx3-ubyte.gz",
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            file(
                "t10k-labels-idx1-ubyte.gz",
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        ],
    },
    Published {
        name: "mnist",
        title: "MNIST",
        comes_as: ComesAs::Files { url: "https://ossci-datasets.s3.amazonaws.com/mnist/" },
        files: &[
            file(
                "train-images-idx3-ubyte.gz",
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            file(
                "train-labels-idx1-ubyte.gz",
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            file(
                "t10k-images-idx3-ubyte.gz",
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            file(
                "t10k-labels-idx1-ubyte.gz",
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        ],
    },
];
