"""``to_onnx``: a fitted classifier as a graph of ONNX, for programs without Python."""

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .prediction import LinearPredictor
from .validation import LabelArray

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["to_onnx"]

OPSET, IR_VERSION = 17, 8  # of onnxruntime 1.13 (2022) and newer


def to_onnx(model: LinearPredictor) -> "ModelProto":
    """Return the graph of a fitted classifier.

    With ``W = coef_`` and ``b = intercept_`` it computes::

        scores = X W' + b
        probabilities = softmax(scores / temperature_)     # if the model has predict_proba
        label = classes_[argmax(scores)]

    Where a model has ``center_`` and ``unit_``, columns are ``(X - center_) / unit_``, computed in
    float64, and ``W`` and ``b`` are those for these columns.

    Parameters
    ----------
    model : LinearSVM, Softmax, LinearSVMCV or SoftmaxCV
        Fitted. Its classes are integers, floats, booleans or texts.

    Returns
    -------
    onnx.ModelProto
        ``SerializeToString()`` gives the bytes of an ``.onnx`` file. The input is ``X``, float32 of
        shape (n_samples, n_features). The outputs are ``label`` of shape (n_samples,), and float32
        ``scores`` and ``probabilities`` of shape (n_samples, n_classes). For two classes,
        ``decision_function`` is the difference of the two scores.

    Raises
    ------
    ImportError
        If the package onnx is missing: ``pip install "visualwords[onnx]"``.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    TypeError
        If the classes are of another kind.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from visualwords.classifiers import Softmax
    >>> graph = to_onnx(Softmax().fit(*load_iris(return_X_y=True))).graph
    >>> [output.name for output in graph.output]
    ['label', 'scores', 'probabilities']
    """
    check_is_fitted(model)
    try:
        from onnx import TensorProto, checker, helper, numpy_helper
    except ImportError as error:
        raise ImportError('to_onnx needs onnx: pip install "visualwords[onnx]"') from error
    arrays, nodes = _arrays_and_nodes(model)
    n_classes, n_features = model.coef_.shape
    constants = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    label_kind = next(c.data_type for c in constants if c.name == "classes")
    shapes = {
        "label": (label_kind, ["n"]),
        "scores": (TensorProto.FLOAT, ["n", n_classes]),
        "probabilities": (TensorProto.FLOAT, ["n", n_classes]),
    }
    computed = {output for _, _, output, _ in nodes}
    graph = helper.make_graph(
        [helper.make_node(kind, names, [out], **options) for kind, names, out, options in nodes],
        "visualwords",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["n", n_features])],
        [
            helper.make_tensor_value_info(name, *shape)
            for name, shape in shapes.items()
            if name in computed
        ],
        constants,
    )
    opset = helper.make_opsetid("", OPSET)
    whole = helper.make_model(graph, opset_imports=[opset], producer_name="visualwords")
    whole.ir_version = IR_VERSION
    checker.check_model(whole, full_check=True)
    return whole


def _arrays_and_nodes(model: LinearPredictor) -> tuple[dict[str, Any], list[Any]]:
    """Return the constants by their names, and (operator, inputs, output, options) of each node."""
    arrays: dict[str, Any] = {"classes": _labels(model.classes_)}
    coef, intercept, rows, nodes = model.coef_, model.intercept_, "X", []
    if hasattr(model, "center_"):
        arrays |= {"center": model.center_, "unit": model.unit_}
        coef, intercept, rows = coef * model.unit_, intercept + coef @ model.center_, "columns"
        nodes = [
            ("Cast", ["X"], "X64", {"to": 11}),  # float64
            ("Sub", ["X64", "center"], "centred", {}),
            ("Div", ["centred", "unit"], "scaled", {}),
            ("Cast", ["scaled"], rows, {"to": 1}),  # float32
        ]
    arrays |= {"coef": coef.astype(np.float32), "intercept": intercept.astype(np.float32)}
    nodes += [
        ("Gemm", [rows, "coef", "intercept"], "scores", {"transB": 1}),
        ("ArgMax", ["scores"], "best", {"axis": 1, "keepdims": 0}),
        ("Gather", ["classes", "best"], "label", {"axis": 0}),
    ]
    if hasattr(model, "predict_proba"):
        arrays["temperature"] = np.float32(getattr(model, "temperature_", 1.0)).reshape(())
        nodes += [
            ("Div", ["scores", "temperature"], "cooled", {}),
            ("Softmax", ["cooled"], "probabilities", {"axis": 1}),
        ]
    return arrays, nodes


def _labels(classes: LabelArray) -> LabelArray:
    """Return the classes in a type that ONNX has."""
    kind = classes.dtype.kind
    if kind in "iu":
        return classes.astype(np.int64)
    if kind in "bf":
        return classes
    if kind == "U" or all(isinstance(label, str) for label in classes):
        return classes.astype(object)
    raise TypeError(
        f"the classes are of type {classes.dtype}; ONNX has integers, floats, booleans and texts"
    )
