using Tensorboard;

namespace Hybrid.Host.Logs;

/// <summary>A network in the form that TensorBoard's graph tab draws.</summary>
public static class NetworkGraph
{
    /// <summary>One node a layer; slashes in their names make the groups that open and close.</summary>
    public static GraphDef Of(IReadOnlyList<GraphNode> nodes)
    {
        var graph = new GraphDef { Versions = new VersionDef { Producer = 22 } };
        graph.Node.AddRange(nodes.Select(Node));
        return graph;
    }

    private static NodeDef Node(GraphNode node)
    {
        var shape = new TensorShapeProto();
        // The number of images is open.
        foreach (var side in node.Out.Prepend(-1))
            shape.Dim.Add(new TensorShapeProto.Types.Dim { Size = side });

        var result = new NodeDef { Name = node.Name, Op = node.Op };
        result.Input.AddRange(node.Inputs);
        result.Attr["_output_shapes"] = new AttrValue { List = new AttrValue.Types.ListValue { Shape = { shape } } };
        foreach (var (name, value) in node.Settings)
            result.Attr[name] = new AttrValue { I = value };
        return result;
    }
}
