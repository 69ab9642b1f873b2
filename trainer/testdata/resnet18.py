# Writes torchvision's ResNet-18 with random weights and settled batch-norm statistics.
import sys

import torch
import torchvision

torch.manual_seed(1)
torch.set_num_threads(1)
m = torchvision.models.resnet18(weights=None).train()
with torch.no_grad():
    for _ in range(3):
        m(torch.randn(4, 3, 96, 96))
m.eval()
torch.onnx.export(
    m, torch.zeros(1, 3, 224, 224), sys.argv[1], opset_version=13,
    training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
)
