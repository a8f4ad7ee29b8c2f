"""What TensorFlow Serving's servable does with a PredictRequest, by TensorFlow's session.

Source: tensorflow_serving/servables/tensorflow/predict_util.cc: the names of the inputs are those
of the SignatureDef, all of them; each is fed to the tensor that it names; every output is fetched.
"""

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2


class Servable:
    """A version, loaded for serving; `signatures` are its SignatureDefs by name."""

    def __init__(self, folder):
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        loaded = tf.compat.v1.saved_model.loader.load(self._session, ["serve"], str(folder))
        self.signatures = {
            name: each for name, each in loaded.signature_def.items() if not name.startswith("__")
        }

    def predict(self, wire):
        """From a serialized PredictRequest to a serialized PredictResponse."""
        request = predict_pb2.PredictRequest.FromString(wire)
        signature = self.signatures[request.model_spec.signature_name or "serving_default"]
        assert request.inputs.keys() == signature.inputs.keys()
        fed = {}
        for name, tensor in request.inputs.items():
            info = signature.inputs[name]
            shape = tf.TensorShape(tensor.tensor_shape)
            assert tensor.dtype == info.dtype
            assert shape.is_compatible_with(tf.TensorShape(info.tensor_shape))
            fed[info.name] = tf.make_ndarray(tensor)
        fetched = {name: info.name for name, info in signature.outputs.items()}
        response = predict_pb2.PredictResponse(model_spec=request.model_spec)
        for name, value in self._session.run(fetched, fed).items():
            dtype = signature.outputs[name].dtype
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value, dtype))
        return response.SerializeToString()

    def close(self):
        self._session.close()
