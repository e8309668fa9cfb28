namespace Hybrid.Host.Data;

/// <summary>How far a download has come.</summary>
/// <param name="File">The name of the file being downloaded.</param>
/// <param name="Bytes">Bytes on disk so far, those of an earlier, interrupted download included.</param>
/// <param name="Total">Bytes of the whole file.</param>
public readonly record struct DownloadProgress(string File, long Bytes, long Total);
