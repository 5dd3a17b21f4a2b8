"""GluonTS's DeepAR under the finder, as a script: its packages need an environment of their own."""

import json

import mxnet as mx
import numpy as np
from gluonts.dataset.common import ListDataset
from gluonts.mx import DeepAREstimator, Trainer
from gluonts.mx.util import get_hybrid_forward_input_names

import gluon_lr
from gluon_lr import Learner, LRFinder, preserved, train

mx.random.seed(0)
np.random.seed(0)
draw = np.random.default_rng(0)
series = ListDataset([{"start": "2020-01-01", "target": draw.normal(size=200).cumsum()} for _ in range(8)], freq="D")
estimator = DeepAREstimator(
    freq="D", prediction_length=7, context_length=14, num_layers=1, num_cells=8, batch_size=8,
    trainer=Trainer(epochs=1, num_batches_per_epoch=4),
)  # fmt: skip
loader = estimator.create_training_data_loader(estimator.create_transformation().apply(series, is_train=True))
net = estimator.create_training_network()
net.initialize(mx.init.Xavier())

names = get_hybrid_forward_input_names(type(net))
taken = {
    "unpack": lambda batch: (tuple(batch[name] for name in names), None),  # a dict of nine arrays
    "loss": lambda outputs, _: outputs[0],  # the net gives the loss of each example itself
}
batches = [batch for batch, _ in zip(loader, range(4))]
trainer = mx.gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 1e-3})
learner = Learner(net, batches, mx.cpu(), trainer=trainer, **taken)
history = train(net, batches, batches, 2, taken["loss"], trainer, mx.cpu(), unpack=taken["unpack"])


def weights():
    return {name: p.data().asnumpy() for name, p in net.collect_params().items()}


before, updates = weights(), trainer.optimizer.num_update
found = LRFinder(learner).find(lr_start=1e-5, lr_multiplier=1.5, progress=False)
tuned = LRFinder(learner).tune(400, seed=0, progress=False)
with preserved(net, trainer):
    for _ in range(3):
        learner.iteration(0.1)
    moved = any((before[name] != value).any() for name, value in weights().items())
after = weights()
print(
    json.dumps(
        {
            "losses": history.train_loss,
            "searched": len(found),
            "tuned": [tuned.lr, tuned.updates_spent, len(tuned.trials)],
            "updates": [updates, trainer.optimizer.num_update],
            "moved within": moved,
            "same after": all((before[name] == after[name]).all() for name in before),
            "version": gluon_lr.__version__,
        }
    )
)
