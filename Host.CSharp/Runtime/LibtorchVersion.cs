using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;

namespace Hybrid.Host.Runtime;

/// <summary>Which libtorch: <c>2.10.0+cu128</c> is 2.10.0, built for CUDA 12.8.</summary>
/// <param name="Text">As it was written where it was found.</param>
public sealed partial record LibtorchVersion(string Text, Version Number)
{
    /// <summary>What TorchSharp's native library was linked with, as paket.lock has it. To ask TorchSharp would load
    /// libtorch.</summary>
    public static LibtorchVersion Wanted { get; } =
        Parse(
            typeof(LibtorchVersion)
                .Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
                .First(it => it.Key == "LibtorchVersion")
                .Value!
        )!;

    /// <summary>Of CUDA, by the build's suffix; null where the text names none.</summary>
    public string? Cuda =>
        CudaSuffix().Match(Text) is { Success: true } it ? $"{it.Groups[1].Value}.{it.Groups[2].Value}" : null;

    /// <summary>libtorch keeps its C++ interface from one patch to the next, and never from one minor version to the
    /// next: a program linked with another one finds functions gone, or fields moved.</summary>
    public bool Suits(LibtorchVersion wanted) =>
        (Number.Major, Number.Minor) == (wanted.Number.Major, wanted.Number.Minor);

    /// <summary>The first two or three numbers of a version; null where there are none.</summary>
    public static LibtorchVersion? Parse(string text) =>
        Numbers().Match(text) is { Success: true } it
            ? new LibtorchVersion(text.Trim(), new Version(Part(it, 1), Part(it, 2), Part(it, 3)))
            : null;

    /// <summary>What a libtorch says of itself: of its 64 bits the first three bytes are the version.</summary>
    public static LibtorchVersion OfAbi(ulong abi)
    {
        var number = new Version((int)(abi >> 56), (int)(abi >> 48 & 0xff), (int)(abi >> 40 & 0xff));
        return new LibtorchVersion(number.ToString(), number);
    }

    /// <summary>From the files beside the libraries: a libtorch download has <c>build-version</c> in the folder above,
    /// a PyTorch package <c>version.py</c>.</summary>
    public static LibtorchVersion? Beside(string libraries)
    {
        var above = Path.GetDirectoryName(Path.GetFullPath(libraries));
        if (above is null)
            return null;
        var (build, python) = (Path.Combine(above, "build-version"), Path.Combine(above, "version.py"));
        if (File.Exists(build))
            return Parse(File.ReadAllText(build));
        return File.Exists(python) && PythonVersion().Match(File.ReadAllText(python)) is { Success: true } it
            ? Parse(it.Groups[1].Value)
            : null;
    }

    public override string ToString() => Cuda is { } cuda ? $"{Number} for CUDA {cuda}" : $"{Number}";

    private static int Part(Match match, int group) =>
        match.Groups[group].Success ? int.Parse(match.Groups[group].ValueSpan, CultureInfo.InvariantCulture) : 0;

    [GeneratedRegex(@"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?")]
    private static partial Regex Numbers();

    [GeneratedRegex(@"\+cu(\d+)(\d)$")]
    private static partial Regex CudaSuffix();

    [GeneratedRegex("""^__version__\s*=\s*['"]([^'"]+)""", RegexOptions.Multiline)]
    private static partial Regex PythonVersion();
}
