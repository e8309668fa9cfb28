namespace Hybrid.Command

/// What each option means; shown by `--help`.
module internal Usage =
    let data =
        "what to learn from: shapes (default), cifar10[:DIR], cifar100[:DIR], folder:DIR (DIR/{train,val,test}/CLASS/**, of JPEG, PNG, WebP, BMP and GIF files; val and test may be absent)"

    let valSize = "images taken from train for validation (default: a tenth; CIFAR: 5000)"

    let splitSeed =
        "seed of that split, drawn as PyTorch's random_split draws it, of folders with each class's share (default: 42)"

    let limit split = $"only the first N images of the {split} split"
    let model = "the network (default: ResNet): GoogleNet, ResNet, ResNetPreAct, DenseNet"
    let hparam = "a hyperparameter of the network as KEY=VALUE, repeatable; lists as 16,32,64"
    let checkpoint = "a .safetensors file, or a checkpoint of PyTorch Lightning or torch.save"

    let weights =
        "which set of weights to take from a checkpoint that holds several, such as state_dict_ema (default: the first)"

    let seed = "everything random in the run (default: 42)"
    let device = "auto (default), cpu, cuda, cuda:N, mps"
    let precision = "float32 (default), float64, bfloat16"
    let threads = "libtorch's threads (default: the machine's cores)"
    let json = "print the result as one JSON object on the last line of stdout; all else goes to stderr"
    let batchSize = "images in a batch (default: 128)"

    let imageSize =
        "pixels a side, or HEIGHTxWIDTH, that the pictures of a folder are brought to (default: 32)"

    let refuseBroken =
        "a picture of a folder that cannot be read ends the work (default: it is named and left out)"

    let libtorch =
        "use the libtorch in this folder, such as torch/lib of a PyTorch (default: HYBRID_LIBTORCH, or the one beside the program)"

    let tf32 =
        "multiply float32 numbers in TF32 on an NVIDIA GPU: faster, with three digits (default: float32)"

    let trimMemory =
        "leave the C library's allocator as it is (slower: memory goes back to the system at once)"
