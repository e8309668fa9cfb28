using static TorchSharp.torch;

namespace Hybrid.Host.Data;

/// <summary>Picture files of a set, read.</summary>
/// <param name="Pixels"><c>[K, H, W, 3]</c>, uint8, those that could be read in the order of their files; in memory, or a file
/// that is mapped into it.</param>
/// <param name="Kept">The place of each in the list of files, <c>[K]</c>, ascending.</param>
/// <param name="Remarks">In the order of the files, at most one each.</param>
public sealed record StoredPictures(Tensor Pixels, int[] Kept, IReadOnlyList<PictureRemark> Remarks);
