namespace Hybrid.Host.Data;

/// <summary>Picture files of one part of a set.</summary>
/// <param name="Folder">Where they lie, in a folder for each class.</param>
/// <param name="Paths">In the order of the classes, then of the names.</param>
/// <param name="Labels">The class of each.</param>
public sealed record LabelledFiles(string Folder, IReadOnlyList<string> Paths, IReadOnlyList<long> Labels);
