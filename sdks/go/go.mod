module sallyport.example/verifier

go 1.21
