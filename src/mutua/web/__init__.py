"""The control plane: what others ask an authority over HTTP."""
