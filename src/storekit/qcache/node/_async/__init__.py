"""How clients in this process reach a node; the other tree is generated from this one."""
