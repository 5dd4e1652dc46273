"""Mesh routing: carriers whose nodes find their ways by telling each other."""

from simulators.network.mesh.build import build_mesh
from simulators.network.mesh.carrier import Mesh

__all__ = ["Mesh", "build_mesh"]
