namespace Hybrid.Host.Data;

/// <summary>Picture files, read.</summary>
/// <param name="Pixels"><c>[K, H, W, 3]</c>, those that could be read in the order of their files.</param>
/// <param name="Kept">The place of each in the list of files, <c>[K]</c>, ascending.</param>
/// <param name="Remarks">In the order of the files, at most one each.</param>
public sealed record Pictures(byte[] Pixels, int[] Kept, IReadOnlyList<PictureRemark> Remarks);
