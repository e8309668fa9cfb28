namespace Hybrid.Host.Checkpoints;

/// <summary>
/// How much the tensors of one file may come to. An expanded tensor (stride 0) can claim any size from one element,
/// and any number of tensors can look at the same storage; without a bound a small file could fill any memory.
/// </summary>
/// <param name="fileLength">Bytes of the file.</param>
internal sealed class TensorAllowance(long fileLength)
{
    /// <summary>How often one storage may be shared on average; real networks share a few layers.</summary>
    private const int Sharing = 16;

    private long copies = fileLength;
    private long total = Sharing * fileLength;

    /// <summary>Counts a tensor; all copies together may be as large as the file.</summary>
    /// <param name="name">For the message.</param>
    /// <param name="bytes">Its size.</param>
    /// <param name="copied">Whether it needs memory of its own.</param>
    public void Take(string name, long bytes, bool copied)
    {
        if (bytes > total || (copied && bytes > copies))
            throw new BrokenFileException($"tensor {Quoted.Of(name)} claims {bytes} bytes, more than the file holds");
        total -= bytes;
        if (copied)
            copies -= bytes;
    }
}
