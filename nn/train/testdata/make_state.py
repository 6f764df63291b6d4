"""Writes state.safetensors, the state_dict of a module with every kind of layer that has parameters, and inout.safetensors, inputs and
outputs of it in evaluation (last run with PyTorch 2.15, safetensors 0.8.0).

Run in this folder: python make_state.py. -check FILE loads a file, strictly, into the module.
"""
import sys

import torch
from torch import nn
from safetensors.torch import load_file, save_file


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.PReLU(4), nn.MaxPool2d(2), nn.Conv2d(4, 8, 3, groups=2), nn.GroupNorm(2, 8))
        self.conv1d = nn.Conv1d(8, 8, 2)
        self.tok_emb = nn.Embedding(7, 8, padding_idx=0)
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, norm_first=True) for _ in range(2))
        self.attn = nn.MultiheadAttention(8, 4, batch_first=True, bias=False)
        self.norm = nn.RMSNorm(8, eps=1e-6)
        self.ln = nn.LayerNorm(8)
        self.head = nn.ModuleDict({"classes": nn.Linear(8, 3), "value": nn.Linear(8, 1, bias=False)})

    def forward(self, image, tokens):
        x = self.stem(image).flatten(2)  # [n,8,4]
        x = self.conv1d(x).transpose(1, 2)  # [n,3,8]
        x = torch.cat([x, self.tok_emb(tokens)], 1)
        for b in self.blocks:
            x = b(x)
        x = self.ln(x + self.attn(x, x, x, need_weights=False)[0])
        x = self.norm(x).mean(1)
        return self.head["classes"](x), self.head["value"](x)


torch.manual_seed(0)
net = Net()
if sys.argv[1:2] == ["-check"]:
    print(net.load_state_dict(load_file(sys.argv[2])))
    sys.exit()
image, tokens = torch.randn(3, 1, 9, 9)[:, :, :8, :8].contiguous(), torch.randint(0, 7, (3, 5))
for p in net.parameters():
    if p.dim() == 1:
        p.data += 0.3 * torch.randn_like(p)
net.train()
for _ in range(3):
    net(torch.randn(16, 1, 8, 8), torch.randint(0, 7, (16, 5)))  # moves the running statistics
net.eval()
with torch.no_grad():
    classes, value = net(image, tokens)
save_file(net.state_dict(), "state.safetensors")
save_file({"image": image, "tokens": tokens, "classes": classes, "value": value}, "inout.safetensors")
