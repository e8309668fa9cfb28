namespace Hybrid.Tests.Data

open System
open System.IO
open System.Net
open System.Net.Sockets
open System.Text
open System.Threading

/// What the server saw of a request.
type Request = { Path: string; RangeFrom: int64 option }

/// What it answers. `Length` is what it promises; sending less cuts the connection off.
type Reply = { Status: string; Headers: (string * string) list; Length: int; Body: byte[] }

[<RequireQualifiedAccess>]
module Reply =
    let whole (body: byte[]) = { Status = "200 OK"; Headers = []; Length = body.Length; Body = body }

    let status text = { whole [||] with Status = text }

    /// The rest from where the request wants it, as a server that knows ranges answers.
    let resuming (body: byte[]) request =
        match request.RangeFrom with
        | Some from when from >= body.LongLength -> status "416 Range Not Satisfiable"
        | Some from -> {
            whole body[int from ..] with
                Status = "206 Partial Content"
                Headers = [ "Content-Range", $"bytes {from}-{body.Length - 1}/{body.Length}" ]
          }
        | None -> whole body

    let cutAfter bytes reply = { reply with Body = Array.truncate bytes reply.Body }

/// An HTTP server on the loopback interface, one request a connection, that answers as `answer` says: (number of the
/// request from 0, request) to reply.
type LoopbackServer(answer: int -> Request -> Reply) =
    let listener = new TcpListener(IPAddress.Loopback, 0)
    let requests = ResizeArray<Request>()

    let receive (stream: Stream) =
        use reader = new StreamReader(stream, Encoding.ASCII, false, 1024, leaveOpen = true)
        let lines = Seq.initInfinite (fun _ -> reader.ReadLine()) |> Seq.takeWhile (String.IsNullOrEmpty >> not)
        let lines = List.ofSeq lines
        let range = "range: bytes="

        {
            Path = lines.Head.Split(' ')[1]
            RangeFrom =
                lines
                |> List.tryFind _.StartsWith(range, StringComparison.OrdinalIgnoreCase)
                |> Option.map (fun line -> int64 (line[range.Length ..].TrimEnd '-'))
        }

    let send (stream: Stream) reply =
        let head =
            String.concat "\r\n" [
                $"HTTP/1.1 {reply.Status}"
                $"Content-Length: {reply.Length}"
                "Connection: close"

                for name, value in reply.Headers do
                    $"{name}: {value}"

                "\r\n"
            ]

        stream.Write(Encoding.ASCII.GetBytes head)
        stream.Write reply.Body

    let serve (client: TcpClient) =
        // A client that hangs up early is part of the tests; anything else that goes wrong here reaches the client as a
        // broken connection, and so the test.
        try
            use stream = client.GetStream()
            let request = receive stream

            let number =
                lock requests (fun () ->
                    requests.Add request
                    requests.Count - 1)

            send stream (answer number request)
        with _ ->
            ()

    let accept () =
        try
            while true do
                use client = listener.AcceptTcpClient()
                serve client
        with
        | :? SocketException
        | :? InvalidOperationException -> () // stopped while waiting, or before waiting again

    do listener.Start()

    let address = Uri $"http://127.0.0.1:{(listener.LocalEndpoint :?> IPEndPoint).Port}/sets/"
    // A thread of its own: tests block threads of the pool, and an answer must not wait for one.
    do Thread(accept, IsBackground = true).Start()

    member _.Address = address

    /// The requests so far, oldest first.
    member _.Requests = lock requests (fun () -> List.ofSeq requests)

    interface IDisposable with
        member _.Dispose() = listener.Stop()
