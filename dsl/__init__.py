"""Text to AST. Comes in: .arch text. Goes out: frozen nodes with spans, and diagnostics. Knows no layers and no torch."""
