namespace Hybrid.Host.Checkpoints;

/// <summary>
/// Files that are no checkpoints of weights although people take them for one: what they are and how their weights come
/// into a file that can be read. Nothing of them is read but what gives them away.
/// </summary>
internal static class ForeignFile
{
    private const string FromPyTorch = "in PyTorch, torch.save(";

    private static readonly (byte[] Begin, string What)[] Signatures =
    [
        ([.. "version https://git-lfs"u8], "is a pointer of Git LFS, not the file itself: fetch it with git lfs pull"),
        ([0x89, .. "HDF"u8], "is an HDF5 file, as Keras writes them, which is not read"),
        ([.. "GGUF"u8], "is a GGUF file, which is not read"),
        ([.. "<!DOCTYPE"u8], "is a web page, not a checkpoint: the download went wrong"),
        ([.. "<html"u8], "is a web page, not a checkpoint: the download went wrong"),
        ([0x93, .. "NUMPY"u8], "is a NumPy array, which is not read"),
        ([0x1f, 0x8b], "is compressed with gzip: unpack it first"),
        ([0x28, 0xb5, 0x2f, 0xfd], "is compressed with zstd: unpack it first"),
        ([.. "BZh"u8], "is compressed with bzip2: unpack it first"),
        ([0xfd, .. "7zXZ"u8], "is compressed with xz: unpack it first"),
        ([.. "{\"metadata\""u8], "is the index of weights in several files; one file is read: merge them first"),
    ];

    /// <summary>What a file that is in no known format is.</summary>
    public static string Describe(ReadOnlySpan<byte> head)
    {
        foreach (var (begin, what) in Signatures)
            if (head.StartsWith(begin))
                return what;
        return "is neither a safetensors file nor an archive of torch.save";
    }

    /// <summary>What a zip is that torch.save did not write, by the names in it; null where it may be one.</summary>
    public static string? DescribeZip(IReadOnlyCollection<string> entries)
    {
        bool Any(string ending) => entries.Any(entry => entry.EndsWith(ending, StringComparison.Ordinal));
        if (Any("/constants.pkl"))
            return $"is a TorchScript program, not a checkpoint: save its weights {FromPyTorch}"
                + "torch.jit.load('FILE').state_dict(), 'weights.pt')";
        if (Any("archive_format") || Any("serialized_exported_program.json"))
            return $"is a program of torch.export, not a checkpoint: save its weights {FromPyTorch}"
                + "torch.export.load('FILE').state_dict, 'weights.pt')";
        if (entries.Count > 0 && entries.All(entry => entry.EndsWith(".npy", StringComparison.Ordinal)))
            return "is an archive of NumPy arrays, which is not read";
        return Any("model.weights.h5") ? "is a Keras file, which is not read" : null;
    }

    /// <summary>What a folder is that somebody names as a checkpoint.</summary>
    public static string DescribeFolder(string path)
    {
        bool Has(string pattern) => Directory.EnumerateFileSystemEntries(path, pattern).Any();
        try
        {
            if (Has("*.distcp") || Has(".metadata"))
                return "is a folder of distributed checkpoints (torch.distributed.checkpoint): bring it into one file with "
                    + "python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER weights.pt";
            if (Has("zero_to_fp32.py"))
                return "is a folder of DeepSpeed: bring it into one file with its zero_to_fp32.py";
            foreach (var pattern in new[] { "*.safetensors", "*.ckpt", "*.pt", "*.pth", "pytorch_model.bin" })
                if (Directory.EnumerateFiles(path, pattern).Order().FirstOrDefault() is { } file)
                    return $"is a folder, not a checkpoint file: name a file in it, such as {Quoted.Plain(file, 500)}";
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // What cannot be looked into is a folder all the same.
        }
        return "is a folder, not a checkpoint file";
    }
}
