namespace Hybrid.Host.Data;

/// <summary>What there is to say of one picture file.</summary>
/// <param name="File">Its place in the list of files that were read.</param>
/// <param name="Text">What the file is, and what was made of it; the same for files of a kind.</param>
/// <param name="LeftOut">Whether it could not be read.</param>
/// <param name="Lasting">Whether that is so for as long as the file stays as it is. Else it is of the moment only: the
/// file could not be opened, or memory ran out.</param>
public sealed record PictureRemark(int File, string Text, bool LeftOut, bool Lasting);
