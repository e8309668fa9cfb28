/// One member of each family for ImageNet in a form that takes a second and not a minute: all that is in the family is in
/// it, on small images and with few blocks. What must hold of every network is tested on these; whole networks are
/// compared with their published numbers once, in `FamilyTests`.
module Hybrid.Tests.Networks.Zoo

open Hybrid

let private image = Shape.Image(3, 64, 64)

let private classes = "num_classes", "10"

/// Name, hyperparameters and input.
let members = [
    "resnet18", [ classes; "layers", "1,2" ], image
    "resnet50", [ classes; "layers", "1,2" ], image
    "resnext50_32x4d", [ classes; "layers", "1,1"; "groups", "4" ], image
    "wide_resnet50_2", [ classes; "layers", "1,1" ], image
    "resnetv2_18", [ classes; "layers", "1,2"; "channels", "64,16" ], image
    "resnetv2_50", [ classes; "layers", "1,2"; "channels", "64,32" ], image
    "densenet121", [ classes; "block_config", "2,3"; "growth_rate", "8" ], image
    "mobilenet_v2", [ classes; "width_mult", "0.25" ], image
    "mobilenet_v3_small", [ classes; "width_mult", "0.25" ], image
    "mobilenet_v3_large", [ classes; "width_mult", "0.25" ], image
    "efficientnet_b0", [ classes; "width_mult", "0.25"; "depth_mult", "0.5" ], image
    "efficientnet_b5", [ classes; "width_mult", "0.25"; "depth_mult", "0.4" ], image
    // Of an odd size, so that strides leave remainders of both sorts.
    "tf_efficientnet_lite0", [ classes; "width_mult", "0.25"; "depth_mult", "0.5" ], Shape.Image(3, 61, 70)
    "convnext_tiny", [ classes; "dims", "8,16"; "depths", "1,2" ], image
]
