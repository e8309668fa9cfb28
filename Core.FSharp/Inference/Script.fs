namespace Hybrid

open System.IO
open System.IO.Compression
open System.Text
open TorchSharp

/// TorchScript from its text. `torch.jit.compile` knows only the names under `torch`; the operations of other
/// namespaces, such as oneDNN's fused convolutions, are reached from a loaded module. So the text is put into an
/// archive as `torch.jit.save` writes it, in memory, and loaded.
[<RequireQualifiedAccess>]
module internal Script =

    /// Pickles, protocol 2: an object of class `__torch__.Unit` without attributes; an empty tuple.
    let private data = "\u0080\u0002c__torch__\nUnit\n)\u0081}b."
    let private constants = "\u0080\u0002)."

    /// Version of the archive's form: the oldest that libtorch still reads without upgrading operations' meanings.
    let private version = "3\n"

    let private archive (methods: string) =
        let text = $"class Unit(Module):\n  __parameters__ = []\n  __buffers__ = []\n{methods}"
        use bytes = new MemoryStream()

        do
            use zip = new ZipArchive(bytes, ZipArchiveMode.Create, leaveOpen = true)

            for name, content in
                [ "data.pkl", data; "code/__torch__.py", text; "constants.pkl", constants; "version", version ] do
                use entry = zip.CreateEntry($"unit/{name}", CompressionLevel.NoCompression).Open()
                entry.Write(System.ReadOnlySpan(Encoding.Latin1.GetBytes content))

        bytes.ToArray()

    /// A module of these methods, each written `  def NAME(self: __torch__.Unit, …) -> …:`.
    let load (methods: string) : torch.jit.ScriptModule = torch.jit.load (archive methods, torch.CPU)
