using System.Net;
using System.Net.Http.Headers;
using Hybrid.Host.Runtime;

namespace Hybrid.Host.Data;

/// <summary>
/// One file over HTTP, resumable: what has arrived lies in a <c>.part</c> file, and the next attempt asks only for the
/// rest of it.
/// </summary>
/// <param name="address">Where the file is.</param>
/// <param name="part">The path of the partial file.</param>
/// <param name="length">The exact length of the whole file.</param>
internal sealed class Download(Uri address, string part, long length)
{
    private static readonly TimeSpan ReportEvery = TimeSpan.FromMilliseconds(100);

    /// <summary>How long the server may take to connect, to answer, and between two pieces of the file.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The pause before a broken connection is tried again.</summary>
    public TimeSpan Pause { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Brings the partial file to its full length. A connection that breaks is tried again, for as long as three
    /// attempts together bring something new.
    /// </summary>
    /// <exception cref="WorkException">It could not be done; what has arrived stays for the next time.</exception>
    /// <exception cref="IOException">The file could not be written.</exception>
    public async Task Run(IProgress<DownloadProgress>? progress, CancellationToken cancel)
    {
        using var handler = new SocketsHttpHandler { ConnectTimeout = Patience };
        using var client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        client.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("hybrid", null));
        var furthest = Arrived();
        for (var failures = 0; Arrived() < length; )
        {
            try
            {
                await Attempt(client, progress, cancel);
            }
            catch (Exception error) when (IsBroken(error) && !cancel.IsCancellationRequested)
            {
                // New bytes count only beyond the furthest ever: a server that always stops at one place is not slow.
                failures = Arrived() > furthest ? 1 : failures + 1;
                furthest = Math.Max(furthest, Arrived());
                if (IsRefusal(error) || failures >= 3)
                {
                    throw new WorkException($"{address} could not be downloaded: {Reason(error)}", error);
                }

                await Task.Delay(Pause, cancel);
            }
        }
    }

    private static bool IsBroken(Exception error) =>
        error is HttpRequestException or HttpIOException or OperationCanceledException;

    private static bool IsRefusal(Exception error) =>
        error is HttpRequestException { StatusCode: { } status } && (int)status < 500 && (int)status != 429;

    private string Reason(Exception error) =>
        error switch
        {
            OperationCanceledException => $"nothing came for {Patience.TotalSeconds:0.#} seconds",
            HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } => error
                .GetBaseException()
                .Message.TrimEnd('.'),
            _ => error.Message.TrimEnd('.'),
        };

    private long Arrived() => File.Exists(part) ? new FileInfo(part).Length : 0;

    private async Task Attempt(HttpClient client, IProgress<DownloadProgress>? progress, CancellationToken cancel)
    {
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        silence.CancelAfter(Patience);
        var start = Arrived();
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        if (start > 0)
        {
            request.Headers.Range = new RangeHeaderValue(start, null);
        }

        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, silence.Token);
        var continues =
            response.StatusCode == HttpStatusCode.PartialContent
            && response.Content.Headers.ContentRange?.From == start;
        if (
            start > 0
            && !continues
            && response.StatusCode is HttpStatusCode.PartialContent or HttpStatusCode.RequestedRangeNotSatisfiable
        )
        {
            // The server has another idea of the rest than we have: begin again.
            File.Delete(part);
            throw new HttpIOException(HttpRequestError.InvalidResponse, "the server cannot continue the download");
        }

        if (!response.IsSuccessStatusCode)
        {
            throw new HttpRequestException(
                $"the server answered {(int)response.StatusCode} {response.ReasonPhrase}",
                null,
                response.StatusCode
            );
        }

        await using var body = await response.Content.ReadAsStreamAsync(silence.Token);
        await using var file = new FileStream(
            part,
            continues ? FileMode.Append : FileMode.Create,
            FileAccess.Write,
            FileShare.Read,
            1,
            useAsync: true
        );
        await Copy(body, file, continues ? start : 0, progress, silence, cancel);
    }

    private async Task Copy(
        Stream body,
        FileStream file,
        long start,
        IProgress<DownloadProgress>? progress,
        CancellationTokenSource silence,
        CancellationToken cancel
    )
    {
        var buffer = new byte[1 << 17];
        var name = Path.GetFileNameWithoutExtension(part);
        var arrived = start;
        var reported = 0L;
        while (arrived < length)
        {
            silence.CancelAfter(Patience);
            var read = await Receive(body, buffer, silence.Token);
            if (read == 0)
            {
                throw new HttpIOException(
                    HttpRequestError.ResponseEnded,
                    $"the connection ended after {arrived:N0} of {length:N0} bytes"
                );
            }

            // Bytes beyond the known length are not kept: the checksum says whether this was the right file.
            read = (int)Math.Min(read, length - arrived);
            await file.WriteAsync(buffer.AsMemory(0, read), cancel);
            arrived += read;
            var now = Environment.TickCount64;
            if (progress is not null && (now - reported >= ReportEvery.TotalMilliseconds || arrived == length))
            {
                reported = now;
                progress.Report(new DownloadProgress(name, arrived, length));
            }
        }
    }

    private static async Task<int> Receive(Stream body, byte[] buffer, CancellationToken cancel)
    {
        try
        {
            return await body.ReadAsync(buffer, cancel);
        }
        catch (IOException error) when (error is not HttpIOException)
        {
            // A lost connection must not look like a full disk.
            throw new HttpIOException(HttpRequestError.ResponseEnded, error.Message, error);
        }
    }
}
