"""How vectors are kept: what each format would lose on an index, measured before it is changed."""

from semsearch.maintenance.quantization.quantize import SHORTEST, present_loss, quantize
from semsearch.maintenance.quantization.records import MeasuredFormat, QuantizeOptions, QuantizeReport

__all__ = ["SHORTEST", "MeasuredFormat", "QuantizeOptions", "QuantizeReport", "present_loss", "quantize"]
