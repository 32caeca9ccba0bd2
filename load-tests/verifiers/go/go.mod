module sallyport.example/bench

go 1.21

require sallyport.example/verifier v0.1.0

replace sallyport.example/verifier => ../../../sdks/go
