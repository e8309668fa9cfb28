namespace Hybrid.Host.Data;

/// <summary>What there is to say of one picture file.</summary>
/// <param name="File">Its place in the list of files that were read.</param>
/// <param name="Kind">What several files may have in common; they are counted by it.</param>
/// <param name="Text">What the file is, and what was made of it.</param>
/// <param name="LeftOut">Whether it could not be read.</param>
public sealed record PictureRemark(int File, string Kind, string Text, bool LeftOut);
