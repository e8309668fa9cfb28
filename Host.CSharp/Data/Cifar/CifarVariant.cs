namespace Hybrid.Host.Data;

/// <summary>
/// How one of the two CIFAR sets is published in its binary form: which files hold what, and what the archive is
/// known by. Source: Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html.
/// </summary>
public sealed record CifarVariant
{
    /// <summary>Pixels a side of every image.</summary>
    public const int Side = 32;

    /// <summary>Where both archives are published.</summary>
    public static Uri Publisher { get; } = new("https://www.cs.toronto.edu/~kriz/");

    /// <summary>Ten classes, 50,000 + 10,000 images.</summary>
    public static CifarVariant Cifar10 { get; } =
        new()
        {
            Name = "CIFAR-10",
            Option = "cifar10",
            Folder = "cifar-10-batches-bin",
            TrainFiles = [.. Enumerable.Range(1, 5).Select(i => $"data_batch_{i}.bin")],
            TestFiles = ["test_batch.bin"],
            NamesFile = "batches.meta.txt",
            LabelBytes = 1,
            Classes = CifarNames.Cifar10,
            Archive = "cifar-10-binary.tar.gz",
            ArchiveBytes = 170_052_171,
            ArchiveMd5 = "c32a1d4ab5d03f1284b67883e8d87530",
        };

    /// <summary>A hundred classes, 50,000 + 10,000 images; the twenty coarse labels are not read.</summary>
    public static CifarVariant Cifar100 { get; } =
        new()
        {
            Name = "CIFAR-100",
            Option = "cifar100",
            Folder = "cifar-100-binary",
            TrainFiles = ["train.bin"],
            TestFiles = ["test.bin"],
            NamesFile = "fine_label_names.txt",
            LabelBytes = 2,
            Classes = CifarNames.Cifar100,
            Archive = "cifar-100-binary.tar.gz",
            ArchiveBytes = 168_513_733,
            ArchiveMd5 = "03b5dce01913d631647c71ecec9e9cb8",
        };

    /// <summary>The name for people.</summary>
    public required string Name { get; init; }

    /// <summary>The name on the command line.</summary>
    public required string Option { get; init; }

    /// <summary>The one folder in the archive.</summary>
    public required string Folder { get; init; }

    public required IReadOnlyList<string> TrainFiles { get; init; }

    public required IReadOnlyList<string> TestFiles { get; init; }

    /// <summary>The text file with one class name a line.</summary>
    public required string NamesFile { get; init; }

    /// <summary>Label bytes before the pixels of a record; the last of them is the class.</summary>
    public required int LabelBytes { get; init; }

    /// <summary>The official class names, for folders without the file of names.</summary>
    public required IReadOnlyList<string> Classes { get; init; }

    /// <summary>The archive's file name at the publisher.</summary>
    public required string Archive { get; init; }

    /// <summary>The archive's exact length.</summary>
    public required long ArchiveBytes { get; init; }

    /// <summary>The archive's MD5 as the publisher states it, lower-case hexadecimal.</summary>
    public required string ArchiveMd5 { get; init; }

    /// <summary>Bytes of one record: its labels, then a red, a green and a blue plane of 1,024 bytes each.</summary>
    public int RecordBytes => LabelBytes + Side * Side * ImageSet.Channels;

    /// <summary>The record files of a split, in the order in which they are read.</summary>
    public IReadOnlyList<string> Files(Split split) => split == Split.Train ? TrainFiles : TestFiles;
}
