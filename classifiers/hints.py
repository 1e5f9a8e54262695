"""What the parameters of other libraries' linear classifiers are called here."""

__all__ = ["CLASSIFIER_HINTS", "SEARCH_HINTS"]

_OF_SOLVER = "the solver has it, such as solver=PrimalDual(max_iter=1000, tol=1e-3)"
_OF_SGD = "the solver has it, as solver=SGD(learning_rate=0.1)"
_OF_SEARCH = "a search chooses its solver, and tol decides when the models that are scored are done"

# scikit-learn's LinearSVC, SVC, LogisticRegression and SGDClassifier
CLASSIFIER_HINTS = {
    "C": "use alpha = 1 / (n * C), with n rows, or for two classes alpha = 2 / (n * C)",
    "penalty": "the penalty is L2, and its strength is alpha",
    "max_iter": _OF_SOLVER,
    "tol": _OF_SOLVER,
    "eta0": _OF_SGD,
    "learning_rate": _OF_SGD,
    "dual": "the default solver depends on the shape of X",
    "multi_class": "LinearSVM has loss='hinge', 'crammer_singer' or 'one_vs_rest'",
    "intercept_scaling": "intercepts have no penalty, so there is nothing to scale",
    "l1_ratio": "the penalty is L2, and its strength is alpha",
    "alphas": "SoftmaxCV and LinearSVMCV choose one of several penalties",
    "probability": "Softmax gives probabilities, and so does LinearSVMCV(calibrate=True)",
}

# scikit-learn's LogisticRegressionCV and GridSearchCV
SEARCH_HINTS = CLASSIFIER_HINTS | {
    "C": "use alphas, a list of 1 / (n * C) with n rows, or for two classes of 2 / (n * C)",
    "Cs": "use alphas, a list of 1 / (n * C) with n rows, or for two classes of 2 / (n * C)",
    "alpha": "alphas is the list of penalties to choose from",
    "max_iter": _OF_SEARCH,
    "solver": _OF_SEARCH,
    "eta0": _OF_SEARCH,
    "learning_rate": _OF_SEARCH,
    "refit": "the best penalty is always fitted to all rows",
    "scoring": "the score is the accuracy",
}
