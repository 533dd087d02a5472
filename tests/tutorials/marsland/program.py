import numpy as np

class mlp:
    """ A Multi-Layer Perceptron"""

    def __init__(self,inputs,targets,nhidden,beta=1):
        """ Constructor """
        # Set up network size
        self.nin = np.shape(inputs)[1]
        self.nout = np.shape(targets)[1]
        self.ndata = np.shape(inputs)[0]
        self.nhidden = nhidden
        self.beta = beta

        # Initialise network
        self.weights1 = (np.random.rand(self.nin+1,self.nhidden)-0.5)*2/np.sqrt(self.nin)
        self.weights2 = (np.random.rand(self.nhidden+1,self.nout)-0.5)*2/np.sqrt(self.nhidden)

    def mlptrain(self,inputs,targets,eta,niterations):
        """ Train the thing """
        # Add the inputs that match the bias node
        inputs = np.concatenate((inputs,-np.ones((np.shape(inputs)[0],1))),axis=1)

        for n in range(niterations):
            self.outputs = self.mlpfwd(inputs)

            error = 0.5*np.sum((self.outputs-targets)**2)
            if (np.mod(n,1000)==999):
                print("Iteration: ",n+1, " Error: ",error)

            deltao = self.beta*(self.outputs-targets)*self.outputs*(1.0-self.outputs)
            deltah = self.hidden*self.beta*(1.0-self.hidden)*(np.dot(deltao,np.transpose(self.weights2)))

            updatew1 = eta*(np.dot(np.transpose(inputs),deltah[:,:-1]))
            updatew2 = eta*(np.dot(np.transpose(self.hidden),deltao))

            self.weights1 -= updatew1
            self.weights2 -= updatew2

    def mlpfwd(self,inputs):
        """ Run the network forward (inputs already have the bias column) """
        self.hidden = np.dot(inputs,self.weights1)
        self.hidden = 1.0/(1.0+np.exp(-self.beta*self.hidden))
        self.hidden = np.concatenate((self.hidden,-np.ones((np.shape(inputs)[0],1))),axis=1)

        outputs = np.dot(self.hidden,self.weights2)
        return 1.0/(1.0+np.exp(-self.beta*outputs))

if __name__ == "__main__":
    np.random.seed(0)
    xordata = np.array([[0,0,0],[0,1,1],[1,0,1],[1,1,0]])
    q = mlp(xordata[:,0:2],xordata[:,2:3],4)
    q.mlptrain(xordata[:,0:2],xordata[:,2:3],0.5,10000)
    print(q.mlpfwd(np.concatenate((xordata[:,0:2],-np.ones((4,1))),axis=1)))
