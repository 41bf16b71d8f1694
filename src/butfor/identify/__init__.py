"""From question, graph and design to the valid ways of answering."""
