using System.Text;
using Hybrid.Command;
using Hybrid.Host.Checkpoints;
using Hybrid.Host.Runtime;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.Serialization;

namespace Hybrid.Host.Commands;

/// <summary>Options in a YAML file, by their names without dashes: <c>--config</c> reads one, and every run writes the one
/// that repeats it.</summary>
internal static class SettingsFile
{
    /// <summary>More than any options need.</summary>
    private const int MostBytes = 1 << 16;
    private const int MostOptions = 1000;

    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    /// <summary>YAML's own, as <c>!!str</c>.</summary>
    private static readonly string[] CoreTags =
    [
        .. new[] { "str", "int", "float", "bool", "seq", "map" }.Select(kind => $"tag:yaml.org,2002:{kind}"),
    ];

    /// <summary>What a command line needs of this process.</summary>
    public static Surroundings Surroundings { get; } =
        new(Environment.GetEnvironmentVariable("HOME") ?? "", file => [.. Read(file)]);

    /// <summary>The options of a file, in its order: a value, a list of values, or keys with values, as <c>hparam</c> may
    /// have them. Nothing nests deeper, and nothing refers to something else.</summary>
    /// <exception cref="RequestException">The file is not there, or is none of options.</exception>
    public static IReadOnlyList<GivenOption> Read(string file)
    {
        try
        {
            var yaml = new Parser(new StringReader(Text(file)));
            var settings = new List<GivenOption>();
            yaml.Consume<StreamStart>();
            if (yaml.TryConsume<StreamEnd>(out _))
                return settings;
            yaml.Consume<DocumentStart>();
            Untagged(yaml.Consume<MappingStart>());
            while (!yaml.TryConsume<MappingEnd>(out _))
            {
                var name = Plain(yaml);
                settings.AddRange(Values(yaml).Select(value => new GivenOption(name, value)));
            }
            yaml.Consume<DocumentEnd>();
            yaml.Consume<StreamEnd>();
            return settings.Count <= MostOptions
                ? settings
                : throw Wrong(file, $"it has {settings.Count:N0} options, expected at most {MostOptions:N0}");
        }
        catch (YamlException error)
        {
            throw Wrong(
                file,
                $"line {error.Start.Line} is no option with a value, or a list of values, such as 'lr: 0.1'; tags, references, null and NUL are none"
            );
        }
        catch (DecoderFallbackException)
        {
            throw Wrong(file, "it is no UTF-8 text: save it as such");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Wrong(file, error.Message);
        }
    }

    /// <summary>Writes options, those of one name as a list.</summary>
    public static void Write(string path, IEnumerable<GivenOption> settings)
    {
        var options = settings
            .GroupBy(setting => setting.Name)
            .ToDictionary(
                group => group.Key,
                group => group.ToList() is [var only] ? (object)only.Text : group.Select(it => it.Text).ToList()
            );
        var yaml = new SerializerBuilder().Build().Serialize(options).ReplaceLineEndings("\n");
        File.WriteAllText(path, "# Repeats this run: hybrid train --config run.yaml\n" + yaml);
    }

    private static string Text(string file)
    {
        using var stream = File.OpenRead(file);
        var bytes = new byte[MostBytes + 1];
        var length = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        return length <= MostBytes
            ? Strict.GetString(bytes, 0, length).TrimStart('\uFEFF')
            : throw Wrong(file, $"it is longer than {MostBytes} bytes");
    }

    /// <summary>A list is one value, which has commas, unless it is of pairs: these are options of their own.</summary>
    private static IReadOnlyList<string> Values(Parser yaml)
    {
        if (yaml.Accept<Scalar>(out _))
            return [Plain(yaml)];
        if (yaml.Accept<SequenceStart>(out _))
            return List(yaml) is var items && items.All(item => item.Contains('=')) ? items : [string.Join(',', items)];
        Untagged(yaml.Consume<MappingStart>());
        var pairs = new List<string>();
        while (!yaml.TryConsume<MappingEnd>(out _))
        {
            var key = Plain(yaml);
            var value = yaml.Accept<SequenceStart>(out _) ? string.Join(',', List(yaml)) : Plain(yaml);
            pairs.Add($"{key}={value}");
        }
        return pairs;
    }

    private static List<string> List(Parser yaml)
    {
        Untagged(yaml.Consume<SequenceStart>());
        var items = new List<string>();
        while (!yaml.TryConsume<SequenceEnd>(out _))
            items.Add(Plain(yaml));
        return items;
    }

    private static string Plain(Parser yaml)
    {
        var scalar = yaml.Consume<Scalar>();
        Untagged(scalar);
        // As text they would name a file or a folder.
        if (scalar is { Style: ScalarStyle.Plain, Tag.IsEmpty: true, Value: "~" or "null" or "Null" or "NULL" })
            throw new YamlException(scalar.Start, scalar.End, "no value");
        // No command line can hold it, and no path.
        if (scalar.Value.Contains('\0'))
            throw new YamlException(scalar.Start, scalar.End, "NUL");
        return scalar.Value;
    }

    /// <summary>A tag asks for more than the text behind it, such as another file's or a variable's.</summary>
    private static void Untagged(NodeEvent node)
    {
        if (!node.Tag.IsEmpty && !node.Tag.IsNonSpecific && !CoreTags.Contains(node.Tag.Value))
            throw new YamlException(node.Start, node.End, "a tag");
    }

    private static RequestException Wrong(string file, string reason) =>
        new($"--config {Quoted.Plain(file)}: {Quoted.Plain(reason)}");
}
