namespace Hybrid

/// What a description of a network may ask for. A file of a kilobyte can say "a hundred thousand blocks": each of these
/// is looked at before a list, a plan or a tensor of that size is made.
[<RequireQualifiedAccess>]
module Limits =

    /// Blocks of a residual network, layers of a dense one, all groups together: the deepest published ones have some
    /// hundred.
    let blocks = 1_000

    /// Layers and joins of a network that is stored layer by layer.
    let parts = 20_000

    /// Channels of a group.
    let channels = 65_536

    /// How much wider or deeper than published a network may be made: the largest published ones are twice as wide.
    let multiple = 16.0

    /// Growth and bottleneck of dense layers, which are multiplied with each other.
    let growth = 4_096

    /// Outputs of a classifier.
    let classes = 1_000_000

    /// Numbers in all tensors of the state: 2 GiB of single precision, the largest checkpoint that is read.
    let numbers = 1L <<< 29

    /// Numbers in one input: 3×3344×3344.
    let input = 1L <<< 25
